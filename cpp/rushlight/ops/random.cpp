#include "rushlight/ops/random.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "rushlight/autograd/record.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/comparison.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

// Lets draw(position, count, memory) write every element of self, in place for autograd under `name`.
template <class Draw>
Tensor redraw(const Tensor& self, const char* op, const char* name, Generator& generator, const Draw& draw) {
  const autograd::InPlace change(self, op);
  const kernels::PhiloxPosition position = generator.take(self.numel());
  if (self.is_contiguous()) {
    draw(position, self.numel(), self.raw_data());
  } else {
    const Tensor dense = Tensor::empty(self.sizes(), self.dtype());
    draw(position, self.numel(), dense.raw_data());
    copy_into(self, dense);
  }
  change.written();
  if (autograd::recording(change.before))
    autograd::record(self, name, {change.before}, {},
                     [](Node&, const Tensor& grad) -> Grads { return {zeros(grad.sizes(), grad.dtype())}; });
  return self;
}

void check_floating(const char* op, const Tensor& self) {
  RUSHLIGHT_CHECK_AS(NotImplementedError, is_floating(self.dtype()), op, ": not implemented for ",
                     dtype_name(self.dtype()), ", expected a floating type");
}

// The largest n such that all of 0 .. n are exact in the type.
int64_t largest_exact(DType dtype) {
  switch (dtype) {
    case DType::Bool: return 1;
    case DType::UInt8: return 255;
    case DType::Int8: return 127;
    case DType::Int16: return 32767;
    case DType::Int32: return std::numeric_limits<int32_t>::max();
    case DType::Int64: return std::numeric_limits<int64_t>::max();
    case DType::BFloat16: return 1 << 8;
    case DType::Float16: return 1 << 11;
    case DType::Float32: return 1 << 24;
    default: return int64_t{1} << 53;
  }
}

Tensor draw_integers(const Tensor& self, const char* name, int64_t low, uint64_t range,
                     Generator& generator) {
  return redraw(self, "random_", name, generator, [&](auto position, int64_t count, void* dst) {
    kernels::fill_integers(position, count, self.dtype(), dst, low, range);
  });
}

}  // namespace

Generator& default_generator() {
  static Generator generator;
  return generator;
}

Tensor uniform_(const Tensor& self, double from, double to, Generator& generator) {
  check_floating("uniform_", self);
  RUSHLIGHT_CHECK(from <= to, "uniform_: expects to return a [from, to) range, but found from=", from,
                  " > to=", to);
  return redraw(self, "uniform_", "UniformBackward0", generator,
                [&](auto position, int64_t count, void* dst) {
                  kernels::fill_uniform(position, count, self.dtype(), dst, from, to);
                });
}

Tensor normal_(const Tensor& self, double mean, double std, Generator& generator) {
  check_floating("normal_", self);
  RUSHLIGHT_CHECK(std >= 0, "normal_: expects std >= 0.0, but found std ", std);
  return redraw(self, "normal_", "NormalBackward0", generator, [&](auto position, int64_t count, void* dst) {
    kernels::fill_normal(position, count, self.dtype(), dst, mean, std);
  });
}

Tensor exponential_(const Tensor& self, double lambd, Generator& generator) {
  check_floating("exponential_", self);
  RUSHLIGHT_CHECK(lambd > 0, "exponential_: expects lambda > 0.0, but found lambda=", lambd);
  const Tensor uniform =
      rand(self.sizes(), self.dtype() == DType::Float64 ? DType::Float64 : DType::Float32, generator);
  const autograd::InPlace change(self, "exponential_");
  {
    // -log(1 - u): 1 - u is never 0
    const autograd::GradModeGuard no_grad(false);
    const Tensor negative = mul(uniform, -1.0);
    const Tensor logs = pointwise({"exponential_", ElementwiseOp::Log1p, uniform.dtype(), {&negative}});
    copy_into(self, mul(logs, -1 / lambd));
  }
  change.written();
  if (autograd::recording(change.before))
    autograd::record(self, "ExponentialBackward0", {change.before}, {},
                     [](Node&, const Tensor& grad) -> Grads { return {zeros(grad.sizes(), grad.dtype())}; });
  return self;
}

Tensor random_(const Tensor& self, int64_t from, int64_t to, Generator& generator) {
  RUSHLIGHT_CHECK(from < to, "random_: expects 'from' to be less than 'to', but got from=", from,
                  " >= to=", to);
  return draw_integers(self, "RandomBackward0", from, static_cast<uint64_t>(to) - static_cast<uint64_t>(from),
                       generator);
}

Tensor random_(const Tensor& self, Generator& generator) {
  return draw_integers(self, "RandomBackward2", 0, static_cast<uint64_t>(largest_exact(self.dtype())) + 1,
                       generator);
}

Tensor bernoulli_(const Tensor& self, double p, Generator& generator) {
  RUSHLIGHT_CHECK(p >= 0 && p <= 1, "bernoulli_: expects p to be in [0, 1], but got p=", p);
  return redraw(self, "bernoulli_", "BernoulliBackward2", generator,
                [&](auto position, int64_t count, void* dst) {
                  kernels::fill_bernoulli(position, count, self.dtype(), dst, p);
                });
}

Tensor bernoulli_(const Tensor& self, const Tensor& p, Generator& generator) {
  const autograd::GradModeGuard no_grad(false);
  check_floating("bernoulli_", p);
  const Tensor bad = logical_or(lt(p, number_tensor(0)), logical_or(gt(p, number_tensor(1)), ne(p, p)));
  RUSHLIGHT_CHECK(
      equal(bad, zeros(bad.sizes(), DType::Bool)),
      "bernoulli: expected every probability to be in [0, 1], got one outside in a tensor of shape ",
      to_string(p.sizes()));
  const Tensor drawn = lt(rand(self.sizes(), DType::Float64, generator), p);
  return copy_(self, drawn);
}

Tensor rand(const Dims& sizes, DType dtype, Generator& generator) {
  return uniform_(Tensor::empty(sizes, dtype), 0, 1, generator);
}

Tensor randn(const Dims& sizes, DType dtype, Generator& generator) {
  return normal_(Tensor::empty(sizes, dtype), 0, 1, generator);
}

Tensor randint(int64_t low, int64_t high, const Dims& sizes, DType dtype, Generator& generator) {
  RUSHLIGHT_CHECK(low < high, "randint: expects low to be less than high, but got low=", low,
                  " >= high=", high);
  RUSHLIGHT_CHECK(high - 1 <= largest_exact(dtype) && low >= -largest_exact(dtype) - 1, "randint: the range ",
                  low, " .. ", high - 1, " is out of bounds for ", dtype_name(dtype));
  return random_(Tensor::empty(sizes, dtype), low, high, generator);
}

Tensor randperm(int64_t n, DType dtype, Generator& generator) {
  RUSHLIGHT_CHECK(n >= 0, "randperm: n must be non-negative, got ", n);
  RUSHLIGHT_CHECK(dtype != DType::Bool && n - 1 <= largest_exact(dtype), "randperm: n=", n,
                  " is too large for ", dtype_name(dtype));
  const Tensor order = Tensor::empty({n}, DType::Int64);
  kernels::fill_permutation(generator.take(n), n, order.data<int64_t>());
  return to(order, dtype);
}

Tensor normal(const Tensor& mean, const Tensor& std, Generator& generator) {
  const DType dtype = floating_type(result_type(mean, std));
  const Dims sizes = broadcast_sizes(mean.sizes(), std.sizes(), "normal");
  {
    const autograd::GradModeGuard no_grad(false);
    const Tensor bad = lt(std, number_tensor(0));
    RUSHLIGHT_CHECK(equal(bad, zeros(bad.sizes(), DType::Bool)),
                    "normal: expects all elements of std >= 0.0");
  }
  return add(mean, mul(randn(sizes, dtype, generator), std));
}

Tensor bernoulli(const Tensor& input, Generator& generator) {
  const Tensor out =
      bernoulli_(Tensor::empty(input.sizes(), input.dtype()), autograd::detach(input), generator);
  if (autograd::recording(input))
    autograd::record(out, "BernoulliBackward0", {input}, {},
                     [](Node&, const Tensor& grad) -> Grads { return {zeros(grad.sizes(), grad.dtype())}; });
  return out;
}

namespace {

// One row of multinomial: weights become a cumulative sum, or exponential keys if nothing may repeat.
void draw_row(const double* weights, const double* uniform, int64_t classes, int64_t samples,
              bool replacement, int64_t* out) {
  double total = 0;
  int64_t positive = 0;
  for (int64_t i = 0; i < classes; ++i) {
    RUSHLIGHT_CHECK(weights[i] >= 0 && std::isfinite(weights[i]),
                    "multinomial: probability tensor contains either `inf`, `nan` or element < 0, got ",
                    weights[i]);
    total += weights[i];
    positive += weights[i] > 0;
  }
  RUSHLIGHT_CHECK(total > 0, "multinomial: invalid multinomial distribution (sum of probabilities <= 0)");
  if (replacement) {
    std::vector<double> upto(weights, weights + classes);
    std::partial_sum(upto.begin(), upto.end(), upto.begin());
    for (int64_t s = 0; s < samples; ++s) {
      const auto found = std::upper_bound(upto.begin(), upto.end(), uniform[s] * upto.back());
      out[s] = std::min<int64_t>(found - upto.begin(), classes - 1);
      while (weights[out[s]] == 0) --out[s];  // rounding must not reach a class without weight
    }
    return;
  }
  RUSHLIGHT_CHECK(
      positive >= samples,
      "multinomial: invalid multinomial distribution (with replacement=False, not enough non-negative "
      "category to sample): ",
      positive, " positive weights, ", samples, " samples");
  std::vector<double> keys(static_cast<size_t>(classes));
  for (int64_t i = 0; i < classes; ++i) keys[static_cast<size_t>(i)] = -std::log1p(-uniform[i]) / weights[i];
  std::vector<int64_t> order(static_cast<size_t>(classes));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const bool a_open = weights[a] > 0, b_open = weights[b] > 0;
    return a_open != b_open ? a_open : a_open && keys[static_cast<size_t>(a)] < keys[static_cast<size_t>(b)];
  });
  std::copy_n(order.begin(), samples, out);
}

}  // namespace

Tensor multinomial(const Tensor& input, int64_t num_samples, bool replacement, Generator& generator) {
  RUSHLIGHT_CHECK(input.dim() == 1 || input.dim() == 2,
                  "multinomial: prob_dist must be 1 or 2 dim, got shape ", to_string(input.sizes()));
  check_floating("multinomial", input);
  const int64_t classes = input.size(-1);
  RUSHLIGHT_CHECK(num_samples > 0, "multinomial: cannot sample n_sample <= 0 samples, got ", num_samples);
  RUSHLIGHT_CHECK(
      replacement || num_samples <= classes,
      "multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement, got ",
      num_samples, " samples of ", classes);
  const Tensor weights = contiguous(to(autograd::detach(input), DType::Float64));
  const int64_t rows = input.dim() == 2 ? input.size(0) : 1;
  const int64_t per_row = replacement ? num_samples : classes;
  const Tensor uniform = rand({rows, per_row}, DType::Float64, generator);
  Dims sizes = input.sizes();
  sizes.back() = num_samples;
  Tensor out = Tensor::empty(sizes, DType::Int64);
  for (int64_t row = 0; row < rows; ++row)
    draw_row(weights.data<double>() + row * classes, uniform.data<double>() + row * per_row, classes,
             num_samples, replacement, out.data<int64_t>() + row * num_samples);
  return out;
}

namespace {

// input * mask * scale in one pass; its own derivative
Tensor apply_mask(const Tensor& input, const Tensor& mask, double scale, bool in_place) {
  const auto [out, first, value] = pointwise_result(
      in_place, {"dropout", ElementwiseOp::MaskScale, input.dtype(), {&input, &mask}, scalars_of(scale)});
  if (autograd::recording(first))
    autograd::record(out, "NativeDropoutBackward0", {first}, {mask},
                     [scale](Node& node, const Tensor& grad) -> Grads {
                       return {apply_mask(grad, node.saved(0), scale, false)};
                     });
  return out;
}

}  // namespace

Tensor dropout(const Tensor& input, double p, bool train, bool in_place) {
  RUSHLIGHT_CHECK_VALUE(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got ", p);
  if (!train || p == 0) return input;
  check_floating("dropout", input);
  // The mask lies in memory as the input does, so that both are read in one order.
  const Tensor mask = empty_like_layout(input, DType::Bool);
  const Access memory = mask.access();
  kernels::fill_bernoulli(default_generator().take(mask.numel()), mask.numel(), DType::Bool, memory.data,
                          1 - p);
  return apply_mask(input, mask, p == 1 ? 0 : 1 / (1 - p), in_place);
}

}  // namespace rushlight::ops

#include "rushlight/ops/creation.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/kernels/elementwise/copy.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

// out[i] = f(i), converted from the type f gives.
template <class F>
Tensor generate(int64_t count, DType dtype, F f) {
  using T = decltype(f(int64_t{0}));
  Tensor out = Tensor::empty({count}, dtype);
  dispatch_all(dtype, [&](auto tag) {
    using Out = typename decltype(tag)::type;
    Out* data = out.data<Out>();
    for (int64_t i = 0; i < count; ++i) data[i] = kernels::convert_element<Out, T>(f(i));
  });
  return out;
}

int64_t arange_count(const Number& start, const Number& end, const Number& step) {
  const bool whole = !start.is_floating() && !end.is_floating() && !step.is_floating();
  RUSHLIGHT_CHECK(step.real != 0, "arange: step must be nonzero");
  RUSHLIGHT_CHECK(std::isfinite(start.real) && std::isfinite(end.real),
                  "arange: unsupported range: ", start.real, " -> ", end.real);
  RUSHLIGHT_CHECK(step.real > 0 ? start.real <= end.real : start.real >= end.real,
                  "arange: upper bound and larger bound inconsistent with step sign, got start=", start.real,
                  ", end=", end.real, ", step=", step.real);
  if (!whole) {
    const double count = std::ceil((end.real - start.real) / step.real);
    RUSHLIGHT_CHECK(count < 9e18, "arange: invalid size, possible overflow: ", count, " elements");
    return static_cast<int64_t>(count);
  }
  const uint64_t span = step.integer > 0
                            ? static_cast<uint64_t>(end.integer) - static_cast<uint64_t>(start.integer)
                            : static_cast<uint64_t>(start.integer) - static_cast<uint64_t>(end.integer);
  const uint64_t stride = step.integer > 0 ? static_cast<uint64_t>(step.integer)
                                           : uint64_t{0} - static_cast<uint64_t>(step.integer);
  return static_cast<int64_t>((span + stride - 1) / stride);
}

// Copies rows and zeroes what the triangle leaves out: columns from..to of row i of every matrix.
template <class Range>
Tensor triangle(const Tensor& input, const char* op, const Range& zeroed) {
  RUSHLIGHT_CHECK(input.dim() >= 2, op, ": input tensor must have at least 2 dimensions, got shape ",
                  to_string(input.sizes()));
  Tensor out = Tensor::empty(input.sizes(), input.dtype());
  copy_into(out, input);
  const int64_t rows = input.size(-2);
  const int64_t columns = input.size(-1);
  if (out.numel() == 0) return out;
  const auto item = static_cast<int64_t>(dtype_size(out.dtype()));
  char* data = out.raw_data();
  for (int64_t row = 0; row < out.numel() / columns; ++row) {
    const auto [from, to] = zeroed(row % rows);
    const int64_t first = std::clamp<int64_t>(from, 0, columns);
    const int64_t last = std::clamp<int64_t>(to, first, columns);
    std::memset(data + (row * columns + first) * item, 0, static_cast<size_t>((last - first) * item));
  }
  return out;
}

}  // namespace

Tensor arange(const Number& start, const Number& end, const Number& step, DType dtype) {
  const int64_t count = arange_count(start, end, step);
  if (is_integral(dtype)) {
    const uint64_t first = static_cast<uint64_t>(start.integer);
    const uint64_t stride = static_cast<uint64_t>(step.integer);
    return generate(count, dtype, [=](int64_t i) {
      return static_cast<int64_t>(first + stride * static_cast<uint64_t>(i));
    });
  }
  return generate(count, dtype,
                  [a = start.real, b = step.real](int64_t i) { return a + b * static_cast<double>(i); });
}

Tensor linspace(double start, double end, int64_t steps, DType dtype) {
  RUSHLIGHT_CHECK(steps >= 0, "linspace: number of steps must be non-negative, got ", steps);
  // From both ends towards the middle: the last value is exactly `end`.
  const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
  return generate(steps, dtype, [=](int64_t i) {
    return i < steps - steps / 2 ? start + step * static_cast<double>(i)
                                 : end - step * static_cast<double>(steps - 1 - i);
  });
}

Tensor logspace(double start, double end, int64_t steps, double base, DType dtype) {
  RUSHLIGHT_CHECK(steps >= 0, "logspace: number of steps must be non-negative, got ", steps);
  const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
  return generate(steps, dtype, [=](int64_t i) {
    return std::pow(base, i < steps - steps / 2 ? start + step * static_cast<double>(i)
                                                : end - step * static_cast<double>(steps - 1 - i));
  });
}

Tensor eye(int64_t n, int64_t m, DType dtype) {
  RUSHLIGHT_CHECK(n >= 0, "eye: n must be greater or equal to 0, got ", n);
  RUSHLIGHT_CHECK(m >= 0, "eye: m must be greater or equal to 0, got ", m);
  Tensor out = zeros({n, m}, dtype);
  const int64_t length = std::min(n, m);
  if (length > 0) copy_into(out.alias({length}, {m + 1}, 0), Tensor::scalar(int64_t{1}, DType::Int64));
  return out;
}

Tensor tril(const Tensor& input, int64_t diagonal) {
  const Tensor out = triangle(input, "tril", [&](int64_t row) {
    return std::pair<int64_t, int64_t>(row + diagonal + 1, input.size(-1));
  });
  if (autograd::recording(input))
    autograd::record(out, "TrilBackward0", {input}, {},
                     [diagonal](Node&, const Tensor& grad) -> Grads { return {tril(grad, diagonal)}; });
  return out;
}

Tensor triu(const Tensor& input, int64_t diagonal) {
  const Tensor out =
      triangle(input, "triu", [&](int64_t row) { return std::pair<int64_t, int64_t>(0, row + diagonal); });
  if (autograd::recording(input))
    autograd::record(out, "TriuBackward0", {input}, {},
                     [diagonal](Node&, const Tensor& grad) -> Grads { return {triu(grad, diagonal)}; });
  return out;
}

namespace {

Tensor overwrite(const Tensor& self, const Tensor& value, const char* op, const char* name) {
  RUSHLIGHT_CHECK(value.dim() == 0, op, ": only supports 0-dimension value tensor but got tensor with ",
                  value.dim(), " dimensions");
  check_fits(value, self.dtype());
  const autograd::InPlace change(self, op);
  const bool overlaps = &value.storage() == &self.storage();
  copy_into(self, overlaps ? clone(autograd::detach(value)) : value);
  change.written();
  if (is_floating(self.dtype()) && autograd::recording(change.before, value))
    autograd::record(self, name, {change.before, value}, {}, [](Node& node, const Tensor& grad) -> Grads {
      return {node.needs(0) ? zeros(grad.sizes(), grad.dtype()) : Tensor(), node.needs(1) ? grad : Tensor()};
    });
  return self;
}

}  // namespace

Tensor fill_(const Tensor& self, const Tensor& value) {
  return overwrite(self, value, "fill_", value.impl()->wrapped_number ? "FillBackward2" : "FillBackward3");
}

Tensor zero_(const Tensor& self) { return overwrite(self, number_tensor(0), "zero_", "ZeroBackward0"); }

}  // namespace rushlight::ops

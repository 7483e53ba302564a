#include "rushlight/ops/norm.h"

#include <cmath>

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/batch_norm/batch_norm.h"
#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/kernels/reduce/reduce.h"
#include "rushlight/ops/activation.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/physical.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/unary.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using kernels::BatchNormShape;

// The input as the kernels see it.
struct Layout {
  explicit Layout(const Tensor& input) {
    const bool rows = input.dim() == 2;  // (N, C): rows of channels
    tensor = in_layout(input, input.is_channels_last());
    const int64_t batch = input.size(0);
    const int64_t channels = input.size(1);
    const int64_t spatial = batch * channels == 0 ? 0 : input.numel() / batch / channels;
    shape = {input.dtype(), batch, channels, spatial, rows || tensor.is_channels_last()};
  }
  Tensor like(const Tensor& other) const { return in_layout(other, tensor.is_channels_last()); }
  Tensor empty() const {
    return tensor.is_channels_last() ? Tensor::empty_channels_last(tensor.sizes(), tensor.dtype())
                                     : Tensor::empty(tensor.sizes(), tensor.dtype());
  }
  int64_t count() const { return shape.batch * shape.spatial; }

  Tensor tensor;
  BatchNormShape shape;
};

// Rows of one value a channel, in the type of the computation.
Tensor channel_rows(std::initializer_list<const std::vector<double>*> rows, DType dtype) {
  const size_t channels = (*rows.begin())->size();
  Tensor out = Tensor::empty({static_cast<int64_t>(rows.size()), static_cast<int64_t>(channels)}, dtype);
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = out.data<T>();
    for (const std::vector<double>* row : rows)
      for (const double value : *row) *to++ = kernels::convert_element<T>(value);
  });
  return out;
}
const char* row_of(const Tensor& rows, int64_t i) {
  return rows.raw_data() + static_cast<size_t>(i * rows.size(1)) * dtype_size(rows.dtype());
}
// A gradient of weight or bias.
Tensor channel_tensor(const std::vector<double>& values, DType dtype) {
  const Tensor rows = channel_rows({&values}, dtype);
  return rows.alias({rows.size(1)}, {1}, 0);
}

std::vector<double> values_of(DType dtype, const char* data, int64_t channels) {
  std::vector<double> values(static_cast<size_t>(channels));
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t c = 0; c < channels; ++c)
      values[static_cast<size_t>(c)] = kernels::convert_element<double>(reinterpret_cast<const T*>(data)[c]);
  });
  return values;
}

// A tensor of one value a channel, `missing` if undefined.
std::vector<double> channel_values(const Tensor& tensor, int64_t channels, double missing) {
  if (!tensor.defined()) return std::vector<double>(static_cast<size_t>(channels), missing);
  const autograd::GradModeGuard no_grad(false);
  const Tensor plain = contiguous(tensor);
  return values_of(plain.dtype(), plain.raw_data(), channels);
}

struct Statistics {
  std::vector<double> mean;
  std::vector<double> var;  // biased
};

Statistics batch_statistics(const Layout& x) {
  const auto channels = static_cast<size_t>(x.shape.channels);
  Statistics result{std::vector<double>(channels), std::vector<double>(channels)};
  const Access access = x.tensor.access();
  kernels::ReduceLayout layout{{{x.shape.channels, {access.strides[1]}}}, {}};
  for (size_t d = 0; d < access.strides.size(); ++d)
    if (d != 1) layout.reduced.push_back({x.tensor.sizes()[d], {access.strides[d]}});
  kernels::reduce_moments(x.shape.dtype, layout, access.data, result.mean.data(), result.var.data());
  return result;
}

// running = (1 - momentum) * running + momentum * statistic, computed in double as PyTorch does.
void update_running(const Tensor& running, const std::vector<double>& statistic, double momentum) {
  if (!running.defined()) return;
  std::vector<double> values = channel_values(running, static_cast<int64_t>(statistic.size()), 0.0);
  for (size_t c = 0; c < values.size(); ++c)
    values[c] = momentum * statistic[c] + (1.0 - momentum) * values[c];
  copy_into(running, view(channel_tensor(values, running.dtype()), running.sizes()));
  running.storage().bump_version();
}

std::vector<double> inverse_std(const std::vector<double>& var, double eps) {
  std::vector<double> result(var.size());
  for (size_t c = 0; c < var.size(); ++c) result[c] = 1.0 / std::sqrt(var[c] + eps);
  return result;
}

void check(const Tensor& input, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight,
           const Tensor& bias, bool training) {
  RUSHLIGHT_CHECK(input.dim() >= 2, "batch_norm: expected input of at least 2 dimensions (N, C, ...), got ",
                  to_string(input.sizes()));
  RUSHLIGHT_CHECK_AS(NotImplementedError, is_floating(input.dtype()), "batch_norm: not implemented for ",
                     dtype_name(input.dtype()));
  const int64_t channels = input.size(1);
  RUSHLIGHT_CHECK_VALUE(!training || input.numel() != channels,
                        "batch_norm: Expected more than 1 value per channel when training, got input size ",
                        to_string(input.sizes()));
  RUSHLIGHT_CHECK(training || (running_mean.defined() && running_var.defined()),
                  "batch_norm: running_mean and running_var must be defined in evaluation mode");
  const std::pair<const char*, const Tensor&> tensors[] = {
      {"running_mean", running_mean}, {"running_var", running_var}, {"weight", weight}, {"bias", bias}};
  for (const auto& [name, tensor] : tensors)
    RUSHLIGHT_CHECK(!tensor.defined() || tensor.numel() == channels, "batch_norm: ", name, " should contain ",
                    channels, " elements (input ", to_string(input.sizes()), "), not ", tensor.numel());
}

Dims over_channels(int64_t dims, int64_t channels) {
  Dims sizes(static_cast<size_t>(dims), 1);
  sizes[1] = channels;
  return sizes;
}

// Gradients of (input, weight, bias) by differentiable ops, for create_graph. `mean` and `var` depend on the
// input in training and are constants otherwise.
Grads differentiable_backward(Node& node, const Tensor& grad, const Tensor& x, const Tensor& weight,
                              const Tensor& running_mean, const Tensor& running_var, bool training,
                              double eps) {
  const Dims channel = over_channels(x.dim(), x.size(1));
  Dims dims{0};
  for (int64_t d = 2; d < x.dim(); ++d) dims.push_back(d);
  const Tensor mu = training ? mean(x, dims, true) : reshape(to(running_mean, x.dtype()), channel);
  const Tensor centered = sub(x, mu);
  const Tensor variance =
      training ? mean(mul(centered, centered), dims, true) : reshape(to(running_var, x.dtype()), channel);
  const Tensor inverse = rsqrt(add(variance, number_tensor(eps)));
  const Tensor normal = mul(centered, inverse);
  Tensor to_input;
  if (node.needs(0)) {
    const Tensor scaled = weight.defined() ? mul(grad, reshape(weight, channel)) : grad;
    to_input = scaled;
    if (training)
      to_input =
          sub(sub(scaled, mean(scaled, dims, true)), mul(normal, mean(mul(scaled, normal), dims, true)));
    to_input = mul(to_input, inverse);
  }
  return {to_input, node.needs(1) ? sum(mul(grad, normal), dims, false) : Tensor(),
          node.needs(2) ? sum(grad, dims, false) : Tensor()};
}

// Rows of the coefficients a batch norm keeps for its backward.
enum Row : int64_t { kCenter, kScale, kShift, kInverse };

// The same by kernels, from the coefficients of the forward pass. `gated`: `grad` is that of a ReLU's result,
// the ReLU's input being the result of this. A gradient nobody else sees is overwritten by the input's.
Grads fused_backward(Node& node, Tensor grad, const Tensor& x, const Tensor& weight, const Tensor& rows,
                     bool training, bool gated) {
  const Layout layout(x);
  const int64_t channels = layout.shape.channels;
  const DType dtype = x.dtype();
  const kernels::BatchNormGate gate{gated ? row_of(rows, kScale) : nullptr, row_of(rows, kShift)};
  const char* const center = row_of(rows, kCenter);
  std::vector<double> sums(static_cast<size_t>(channels)), products(static_cast<size_t>(channels));
  const bool sole = grad.is_sole_owner();
  const Tensor g = layout.like(grad);
  const bool reuse = sole || g.impl() != grad.impl();
  grad = Tensor();
  const Access in = layout.tensor.access();
  const Access gradient = g.access();
  if (training || node.needs(1) || node.needs(2))
    kernels::batch_norm_sums(layout.shape, in.data, gradient.data, center, gate, sums.data(),
                             products.data());
  const std::vector<double> invstd = values_of(dtype, row_of(rows, kInverse), channels);
  Tensor to_input;
  if (node.needs(0)) {
    std::vector<double> grad_scale = channel_values(weight, channels, 1.0);
    std::vector<double> src_scale(sums.size(), 0.0), shift(sums.size(), 0.0);
    const auto count = static_cast<double>(layout.count());
    for (size_t c = 0; c < sums.size(); ++c) grad_scale[c] *= invstd[c];
    const Tensor k = channel_rows({&grad_scale}, dtype);
    // The shift cancels the mean of what the kernel multiplies, hence by the rounded factor: a rest would be
    // the same for all of a channel, and add up in the sums of the layers before.
    const std::vector<double> rounded = values_of(dtype, k.raw_data(), channels);
    for (size_t c = 0; training && c < sums.size(); ++c) {
      src_scale[c] = -grad_scale[c] * invstd[c] * invstd[c] * products[c] / count;
      shift[c] = -rounded[c] * sums[c] / count;
    }
    to_input = reuse ? g : layout.empty();
    const Tensor others = channel_rows({&src_scale, &shift}, dtype);
    const Access out = to_input.access();
    if (training)
      kernels::batch_norm_apply_backward(layout.shape, in.data, gradient.data, center, k.raw_data(),
                                         row_of(others, 0), row_of(others, 1), gate, out.data);
    else  // no term of x: infinities in it must not reach the gradient; the zeros serve as center too
      kernels::batch_norm_apply(layout.shape, gradient.data, row_of(others, 1), k.raw_data(),
                                row_of(others, 1), nullptr, false, out.data);
  }
  for (size_t c = 0; c < sums.size(); ++c) products[c] *= invstd[c];
  return {to_input, node.needs(1) ? channel_tensor(products, dtype) : Tensor(),
          node.needs(2) ? channel_tensor(sums, dtype) : Tensor()};
}

class BatchNormNode : public Node {
 public:
  BatchNormNode(bool training, double eps)
      : Node("NativeBatchNormBackward0", 1), training_(training), eps_(eps) {}

  Grads apply(Grads& grads) override { return run(std::move(grads[0]), false); }

  // From the gradient of relu(result).
  Grads apply_gated(Tensor grad) { return run(std::move(grad), true); }
  bool can_gate() const { return training_; }

 private:
  Grads run(Tensor grad, bool gated) {
    if (!grad.defined()) return Grads(next.size());
    const Tensor rows = saved(2);
    const Tensor weight = has_saved(1) ? saved(1) : Tensor();
    const Tensor x = has_saved(0) ? saved(0) : grad;
    if (autograd::grad_enabled())
      return differentiable_backward(*this, grad, x, weight, training_ ? Tensor() : saved(3),
                                     training_ ? Tensor() : saved(4), training_, eps_);
    return fused_backward(*this, std::move(grad), x, weight, rows, training_, gated);
  }

  bool training_;
  double eps_;
};

// The ReLU behind a batch norm whose own result was never written: the two run backward in one pass as well.
class NormReluNode : public Node {
 public:
  NormReluNode() : Node("ReluBackward0", 1) {}

  Grads apply(Grads& grads) override {
    if (!grads[0].defined()) return Grads(1);
    return {relu_backward(grads[0], saved(0))};
  }
  Node* merges_with() override {
    auto* norm = dynamic_cast<BatchNormNode*>(next[0].node.get());
    return norm != nullptr && norm->can_gate() ? norm : nullptr;
  }
  Grads apply_merged(Grads& grads) override {
    return static_cast<BatchNormNode&>(*next[0].node).apply_gated(std::move(grads[0]));
  }
};

// What half precision does: compute in float32.
bool computes_directly(DType dtype) { return dtype == DType::Float32 || dtype == DType::Float64; }

struct Inputs {
  Tensor x, running_mean, running_var, weight, bias;
};

// Mean and variance to normalise by; moves the running statistics in training.
Statistics statistics(const Inputs& in, const Layout& layout, const BatchNormOptions& options) {
  const int64_t channels = layout.shape.channels;
  if (!options.training)
    return {channel_values(in.running_mean, channels, 0.0), channel_values(in.running_var, channels, 0.0)};
  Statistics stats = batch_statistics(layout);
  if (layout.count() == 0) return stats;
  std::vector<double> unbiased = stats.var;
  const auto count = static_cast<double>(layout.count());
  for (double& value : unbiased) value *= count / (count - 1.0);
  update_running(in.running_mean, stats.mean, options.momentum);
  update_running(in.running_var, unbiased, options.momentum);
  return stats;
}

// See Row.
Tensor coefficients(const Inputs& in, const Layout& layout, const BatchNormOptions& options) {
  const int64_t channels = layout.shape.channels;
  const Statistics stats = statistics(in, layout, options);
  const std::vector<double> invstd = inverse_std(stats.var, options.eps);
  std::vector<double> scale = channel_values(in.weight, channels, 1.0);
  std::vector<double> shift = channel_values(in.bias, channels, 0.0);
  dispatch_all(layout.shape.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (size_t c = 0; c < scale.size(); ++c) {
      scale[c] *= invstd[c];
      // The kernel subtracts the rounded mean.
      const double center = kernels::convert_element<double>(kernels::convert_element<T>(stats.mean[c]));
      shift[c] -= (stats.mean[c] - center) * scale[c];
    }
  });
  return channel_rows({&stats.mean, &scale, &shift, &invstd}, layout.shape.dtype);
}

// The normalised input, plus `residual` (undefined: none), through a ReLU if asked for.
Tensor apply(const Layout& layout, const Tensor& rows, const Tensor& residual, bool relu) {
  Tensor out = layout.empty();
  const Tensor added = residual.defined() ? layout.like(residual) : residual;
  const Access from = layout.tensor.access();
  const Access plus = residual.defined() ? added.access() : Access{};
  kernels::batch_norm_apply(layout.shape, from.data, row_of(rows, kCenter), row_of(rows, kScale),
                            row_of(rows, kShift), plus.data, relu, out.access().data);
  return out;
}

// The node of a batch norm, null if it is not recorded.
std::shared_ptr<Node> norm_node(const Inputs& in, const Tensor& rows, const BatchNormOptions& options) {
  if (!autograd::recording(in.x, in.weight, in.bias)) return nullptr;
  const bool training = options.training;
  const bool reads_input = training || (in.weight.defined() && in.weight.requires_grad());
  auto node = autograd::make_node<BatchNormNode>(training, options.eps);
  for (const Tensor* input : {&in.x, &in.weight, &in.bias}) autograd::detail::connect(*node, *input);
  autograd::set_saved(
      *node, {autograd::save_if(reads_input, in.x), in.weight, rows,
              autograd::save_if(!training, in.running_mean), autograd::save_if(!training, in.running_var)});
  node->results[0] = {in.x.sizes(), in.x.dtype()};
  return node;
}

std::shared_ptr<Node> sum_node(std::shared_ptr<Node> norm, const Tensor& residual) {
  const auto backward = [](Node& node, const Tensor& grad) -> Grads {
    return {node.needs(0) ? grad : Tensor(), node.needs(1) ? grad : Tensor()};
  };
  using Sum = autograd::FunctionNode<std::decay_t<decltype(backward)>>;
  auto node = autograd::make_node<Sum>("AddBackward0", size_t{1}, backward);
  node->next.push_back({std::move(norm), 0});
  autograd::detail::connect(*node, residual);
  node->results[0] = {residual.sizes(), residual.dtype()};
  return node;
}

}  // namespace

Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                  const Tensor& weight, const Tensor& bias, const BatchNormOptions& options) {
  check(input, running_mean, running_var, weight, bias, options.training);
  const DType dtype = input.dtype();
  if (!computes_directly(dtype))
    return to(batch_norm(to(input, DType::Float32), running_mean, running_var, weight, bias, options), dtype);
  const Inputs in{input, running_mean, running_var, weight, bias};
  const Layout layout(input);
  const Tensor rows = coefficients(in, layout, options);
  Tensor out = apply(layout, rows, Tensor(), false);
  if (auto node = norm_node(in, rows, options)) autograd::detail::attach(out, std::move(node), 0);
  return out;
}

Tensor batch_norm_relu(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                       const Tensor& weight, const Tensor& bias, const Tensor& residual,
                       const BatchNormOptions& options) {
  const bool fits =
      !residual.defined() || (residual.sizes() == input.sizes() && residual.dtype() == input.dtype());
  if (!computes_directly(input.dtype()) || !fits) {
    const Tensor normal = batch_norm(input, running_mean, running_var, weight, bias, options);
    return relu(residual.defined() ? add(normal, residual, 1, true) : normal);
  }
  check(input, running_mean, running_var, weight, bias, options.training);
  const Inputs in{input, running_mean, running_var, weight, bias};
  const Layout layout(input);
  const Tensor rows = coefficients(in, layout, options);
  Tensor out = apply(layout, rows, residual, true);
  std::shared_ptr<Node> node = norm_node(in, rows, options);
  if (residual.defined() && (node != nullptr || autograd::recording(residual)))
    node = sum_node(std::move(node), residual);
  if (node != nullptr) {
    auto relu_node = autograd::make_node<NormReluNode>();
    relu_node->next.push_back({std::move(node), 0});
    autograd::set_saved(*relu_node, {autograd::SavedTensor::result(out)});
    autograd::detail::attach(out, std::move(relu_node), 0);
  }
  return out;
}

}  // namespace rushlight::ops

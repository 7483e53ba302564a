#include "rushlight/ops/norm.h"

#include <cmath>

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/batch_norm/batch_norm.h"
#include "rushlight/kernels/reduce/reduce.h"
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

// One value a channel, in the type of the computation.
Tensor coefficients(const std::vector<double>& values, DType dtype) {
  Tensor out = Tensor::empty({static_cast<int64_t>(values.size())}, dtype);
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (size_t c = 0; c < values.size(); ++c) out.data<T>()[c] = static_cast<T>(values[c]);
  });
  return out;
}

std::vector<double> channel_values(const Tensor& tensor, int64_t channels, double missing) {
  std::vector<double> values(static_cast<size_t>(channels), missing);
  if (!tensor.defined()) return values;
  const autograd::GradModeGuard no_grad(false);
  const Tensor plain = contiguous(to(tensor, DType::Float64));
  std::copy_n(plain.data<double>(), channels, values.begin());
  return values;
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
  copy_into(running, coefficients(values, running.dtype()));
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

// The same by kernels. `center` and `inverse` are the statistics of the forward pass.
Grads fused_backward(Node& node, const Tensor& grad, const Tensor& x, const Tensor& weight,
                     const Tensor& center, const Tensor& inverse, bool training) {
  const Layout layout(x);
  const Tensor g = layout.like(grad);
  const int64_t channels = layout.shape.channels;
  const DType dtype = x.dtype();
  const Access in = layout.tensor.access();
  const Access gradient = g.access();
  std::vector<double> sums(static_cast<size_t>(channels)), products(static_cast<size_t>(channels));
  if (training || node.needs(1) || node.needs(2))
    kernels::batch_norm_sums(layout.shape, in.data, gradient.data, center.raw_data(), sums.data(),
                             products.data());
  const std::vector<double> invstd = channel_values(inverse, channels, 0.0);
  const std::vector<double> scale = channel_values(weight, channels, 1.0);
  Tensor to_input;
  if (node.needs(0)) {
    std::vector<double> grad_scale(sums.size()), src_scale(sums.size(), 0.0), shift(sums.size(), 0.0);
    const auto count = static_cast<double>(layout.count());
    for (size_t c = 0; c < sums.size(); ++c) grad_scale[c] = scale[c] * invstd[c];
    const Tensor k = coefficients(grad_scale, dtype);
    // The shift cancels the mean of what the kernel multiplies, hence by the rounded factor: a rest would be
    // the same for all of a channel, and add up in the sums of the layers before.
    const std::vector<double> rounded = channel_values(k, channels, 0.0);
    for (size_t c = 0; training && c < sums.size(); ++c) {
      src_scale[c] = -grad_scale[c] * invstd[c] * invstd[c] * products[c] / count;
      shift[c] = -rounded[c] * sums[c] / count;
    }
    to_input = layout.empty();
    const Tensor offset = coefficients(shift, dtype);
    const Access out = to_input.access();
    if (training) {
      const Tensor from_src = coefficients(src_scale, dtype);
      kernels::batch_norm_apply_backward(layout.shape, in.data, gradient.data, center.raw_data(),
                                         k.raw_data(), from_src.raw_data(), offset.raw_data(), out.data);
    } else {  // no term of x: infinities in it must not reach the gradient; offset is zero and serves as
              // center too
      kernels::batch_norm_apply(layout.shape, gradient.data, offset.raw_data(), k.raw_data(),
                                offset.raw_data(), out.data);
    }
  }
  for (size_t c = 0; c < sums.size(); ++c) products[c] *= invstd[c];
  return {to_input, node.needs(1) ? coefficients(products, dtype) : Tensor(),
          node.needs(2) ? coefficients(sums, dtype) : Tensor()};
}

// What half precision does: compute in float32.
bool computes_directly(DType dtype) { return dtype == DType::Float32 || dtype == DType::Float64; }

}  // namespace

Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                  const Tensor& weight, const Tensor& bias, const BatchNormOptions& options) {
  check(input, running_mean, running_var, weight, bias, options.training);
  const DType dtype = input.dtype();
  if (!computes_directly(dtype))
    return to(batch_norm(to(input, DType::Float32), running_mean, running_var, weight, bias, options), dtype);
  const Layout layout(input);
  const int64_t channels = layout.shape.channels;
  Statistics stats;
  if (options.training) {
    stats = batch_statistics(layout);
    if (layout.count() > 0) {
      std::vector<double> unbiased = stats.var;
      const auto count = static_cast<double>(layout.count());
      for (double& value : unbiased) value *= count / (count - 1.0);
      update_running(running_mean, stats.mean, options.momentum);
      update_running(running_var, unbiased, options.momentum);
    }
  } else {
    stats = {channel_values(running_mean, channels, 0.0), channel_values(running_var, channels, 0.0)};
  }
  const std::vector<double> invstd = inverse_std(stats.var, options.eps);
  std::vector<double> scale = channel_values(weight, channels, 1.0);
  for (size_t c = 0; c < scale.size(); ++c) scale[c] *= invstd[c];
  const Tensor center = coefficients(stats.mean, dtype);
  Tensor out = layout.empty();
  {
    const Tensor factor = coefficients(scale, dtype);
    std::vector<double> offset = channel_values(bias, channels, 0.0);
    const std::vector<double> rounded = channel_values(center, channels, 0.0);
    for (size_t c = 0; c < offset.size(); ++c) offset[c] -= (stats.mean[c] - rounded[c]) * scale[c];
    const Tensor shift = coefficients(offset, dtype);
    const Access from = layout.tensor.access();
    kernels::batch_norm_apply(layout.shape, from.data, center.raw_data(), factor.raw_data(), shift.raw_data(),
                              out.access().data);
  }
  if (autograd::recording(input, weight, bias)) {
    const bool training = options.training;
    const bool reads_input = training || (weight.defined() && weight.requires_grad());
    autograd::record(out, "NativeBatchNormBackward0", {input, weight, bias},
                     {autograd::save_if(reads_input, input), weight, center, coefficients(invstd, dtype),
                      autograd::save_if(!training, running_mean), autograd::save_if(!training, running_var)},
                     [training, eps = options.eps](Node& node, const Tensor& grad) -> Grads {
                       const Tensor weights = node.has_saved(1) ? node.saved(1) : Tensor();
                       const Tensor x = node.has_saved(0) ? node.saved(0) : grad;
                       if (autograd::grad_enabled())
                         return differentiable_backward(node, grad, x, weights,
                                                        training ? Tensor() : node.saved(4),
                                                        training ? Tensor() : node.saved(5), training, eps);
                       return fused_backward(node, grad, x, weights, node.saved(2), node.saved(3), training);
                     });
  }
  return out;
}

}  // namespace rushlight::ops

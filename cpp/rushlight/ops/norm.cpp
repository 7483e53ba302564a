#include "rushlight/ops/norm.h"

#include <cmath>

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/kernels/reduce/reduce.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/norm_detail.h"
#include "rushlight/ops/pool_detail.h"
#include "rushlight/ops/unary.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Node;
using namespace batch_norm_detail;

struct Statistics {
  std::vector<double> mean;
  std::vector<double> var;  // biased
};

Statistics batch_statistics(const Layout& x) {
  const auto channels = static_cast<size_t>(x.shape.channels);
  Statistics result{std::vector<double>(channels), std::vector<double>(channels)};
  const Access access = x.tensor.access();
  if (x.shape.channels_last && x.count() > 0) {
    kernels::batch_norm_moments(x.shape, access.data, result.mean.data(), result.var.data());
    return result;
  }
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

// float16 is converted to float32.
bool computes_directly(DType dtype) { return dtype != DType::Float16; }

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
  const DType dtype = computation_type(layout.shape.dtype);
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (size_t c = 0; c < scale.size(); ++c) {
      scale[c] *= invstd[c];
      // The kernel subtracts the rounded mean.
      const double center = kernels::convert_element<double>(kernels::convert_element<T>(stats.mean[c]));
      shift[c] -= (stats.mean[c] - center) * scale[c];
    }
  });
  return channel_rows({&stats.mean, &scale, &shift, &invstd}, dtype);
}

// The node of a batch norm, null if it is not recorded.
std::shared_ptr<Node> norm_node(const Inputs& in, const Tensor& rows, const BatchNormOptions& options) {
  if (!autograd::recording(in.x, in.weight, in.bias)) return nullptr;
  const bool training = options.training;
  const bool reads_input = training || (in.weight.defined() && in.weight.requires_grad());
  auto node = make_norm_node(training, options.eps);
  for (const Tensor* input : {&in.x, &in.weight, &in.bias}) autograd::detail::connect(*node, *input);
  autograd::set_saved(
      *node, {autograd::save_if(reads_input, in.x), in.weight, rows,
              autograd::save_if(!training, in.running_mean), autograd::save_if(!training, in.running_var)});
  node->results[0] = {in.x.sizes(), in.x.dtype()};
  return node;
}

std::shared_ptr<Node> sum_node(std::shared_ptr<Node> norm, const Tensor& residual) {
  auto node = make_norm_sum_node();
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
  Tensor out = normalised(layout, rows, Tensor(), false);
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
  Tensor out = normalised(layout, rows, residual, true);
  std::shared_ptr<Node> node = norm_node(in, rows, options);
  if (residual.defined() && (node != nullptr || autograd::recording(residual)))
    node = sum_node(std::move(node), residual);
  if (node != nullptr) {
    auto relu_node = make_norm_relu_node(true);
    relu_node->next.push_back({std::move(node), 0});
    autograd::set_saved(*relu_node, {autograd::SavedTensor::result(out)});
    autograd::detail::attach(out, std::move(relu_node), 0);
  }
  return out;
}

Tensor batch_norm_relu_max_pool2d(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                                  const Tensor& weight, const Tensor& bias, const BatchNormOptions& options,
                                  const Pool2dOptions& pool) {
  const auto single = [&] {
    const Tensor out = batch_norm_relu(input, running_mean, running_var, weight, bias, Tensor(), options);
    return max_pool2d(out, pool, false).values;
  };
  if (!options.training || !computes_directly(input.dtype()) || input.dim() != 4 || input.numel() == 0)
    return single();
  const Inputs in{input, running_mean, running_var, weight, bias};
  const Layout layout(input);
  const kernels::Pool2dParams params = pool_detail::max_pool_params(layout.tensor, input, pool);
  if (!params.channels_last || !kernels::max_pool2d_numbers_fit(params)) return single();
  check(input, running_mean, running_var, weight, bias, options.training);
  const Tensor rows = coefficients(in, layout, options);
  const Dims sizes{params.batch, params.channels, params.h.outputs(), params.w.outputs()};
  Tensor out = Tensor::empty_channels_last(sizes, input.dtype());
  const Tensor chosen = Tensor::empty_channels_last(sizes, DType::UInt8);
  const Tensor picked = Tensor::empty_channels_last(sizes, input.dtype());
  kernels::max_pool2d_affine_relu(params, {row_of(rows, kCenter), row_of(rows, kScale), row_of(rows, kShift)},
                                  layout.tensor.access().data, out.access().data, picked.access().data,
                                  reinterpret_cast<uint8_t*>(chosen.access().data));
  if (std::shared_ptr<Node> node = norm_node(in, rows, options)) {
    auto relu_node = make_norm_relu_node(false);
    relu_node->next.push_back({std::move(node), 0});
    relu_node->results[0] = {input.sizes(), input.dtype()};
    auto pool_node = make_norm_pool_node(params);
    pool_node->next.push_back({std::move(relu_node), 0});
    autograd::set_saved(*pool_node, {chosen, picked});
    autograd::detail::attach(out, std::move(pool_node), 0);
  }
  return out;
}

}  // namespace rushlight::ops

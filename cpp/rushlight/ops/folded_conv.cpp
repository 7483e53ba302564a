#include "rushlight/ops/folded_conv.h"

#include <cmath>
#include <vector>

#include "rushlight/autograd/record.h"
#include "rushlight/base/parallel.h"
#include "rushlight/ops/copy.h"
#include "rushlight/tensor/traced.h"

namespace rushlight::ops {
namespace {

constexpr int64_t kGrain = 32768;

std::array<const Tensor*, 6> parts(const ConvNorm& layers) {
  return {&layers.weight,      &layers.conv_bias,   &layers.running_mean,
          &layers.running_var, &layers.norm_weight, &layers.norm_bias};
}

bool same_place(const Tensor& a, const Tensor& b) {
  if (a.defined() != b.defined()) return false;
  return !a.defined() || (&a.storage() == &b.storage() && a.offset() == b.offset() &&
                          a.sizes() == b.sizes() && a.strides() == b.strides());
}

// One value a channel; `missing` if undefined.
std::vector<double> channel_values(const Tensor& tensor, int64_t channels, double missing) {
  std::vector<double> values(static_cast<size_t>(channels), missing);
  if (!tensor.defined()) return values;
  const Tensor plain = contiguous(to(tensor, DType::Float64));
  std::copy_n(plain.data<double>(), channels, values.begin());
  return values;
}

template <class T>
void scale_rows(const Tensor& weight, const std::vector<double>& scale, const Tensor& dst) {
  const auto rows = static_cast<int64_t>(scale.size());
  const int64_t length = weight.numel() / rows;
  const T* from = weight.data<T>();
  T* to = dst.data<T>();
  parallel_for(rows, std::max<int64_t>(1, kGrain / length), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o)
      for (int64_t i = o * length; i < (o + 1) * length; ++i)
        to[i] = static_cast<T>(static_cast<double>(from[i]) * scale[static_cast<size_t>(o)]);
  });
}

int64_t result_numel(const Tensor& input, const Tensor& weight, const Conv2dOptions& o) {
  const auto side = [&](int64_t d, int64_t pad, int64_t stride, int64_t dilation) {
    if (o.same) return input.size(d);
    return (input.size(d) + 2 * pad - dilation * (weight.size(d) - 1) - 1) / stride + 1;
  };
  return input.size(0) * weight.size(0) * side(2, o.pad_h, o.stride_h, o.dilation_h) *
         side(3, o.pad_w, o.stride_w, o.dilation_w);
}

}  // namespace

bool FoldedConv::refresh(const ConvNorm& layers, DType dtype) {
  const auto now = parts(layers);
  bool current = weight_.defined() && weight_.dtype() == dtype && eps_ == layers.eps;
  for (size_t i = 0; i < now.size(); ++i) {
    const uint64_t stamp = now[i]->defined() ? now[i]->storage().stamp() : Source().stamp;
    if (stamp == 0) return false;
    current = current && sources_[i].stamp == stamp && same_place(sources_[i].tensor, *now[i]);
  }
  if (current) return true;
  const autograd::GradModeGuard no_grad(false);
  std::array<Source, 6> seen;
  for (size_t i = 0; i < now.size(); ++i)
    if (now[i]->defined()) seen[i] = {now[i]->alias(), now[i]->storage().stamp()};
  const int64_t channels = layers.weight.size(0);
  const std::vector<double> mean = channel_values(layers.running_mean, channels, 0.0);
  const std::vector<double> var = channel_values(layers.running_var, channels, 1.0);
  std::vector<double> scale = channel_values(layers.norm_weight, channels, 1.0);
  std::vector<double> shift = channel_values(layers.norm_bias, channels, 0.0);
  const std::vector<double> before = channel_values(layers.conv_bias, channels, 0.0);
  for (size_t c = 0; c < scale.size(); ++c) {
    scale[c] /= std::sqrt(var[c] + layers.eps);
    shift[c] += (before[c] - mean[c]) * scale[c];
  }
  const DType wide = layers.weight.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  const Tensor plain = contiguous(to(layers.weight, wide));
  Tensor weight = Tensor::empty(plain.sizes(), wide);
  if (wide == DType::Float32)
    scale_rows<float>(plain, scale, weight);
  else
    scale_rows<double>(plain, scale, weight);
  Tensor bias = Tensor::empty({channels}, DType::Float64);
  std::copy(shift.begin(), shift.end(), bias.data<double>());
  weight = to(weight, dtype);
  bias = to(bias, dtype);
  // All at once: the ops above may let another Python thread in.
  weight_ = std::move(weight);
  bias_ = std::move(bias);
  for (size_t i = 0; i < now.size(); ++i) sources_[i] = seen[i];
  eps_ = layers.eps;
  return true;
}

Tensor FoldedConv::run(const Tensor& input, const ConvNorm& layers, const Tensor& residual, bool relu,
                       const Conv2dOptions& options, bool lowered) {
  const DType dtype = input.dtype();
  const int64_t channels = layers.weight.size(0);
  const bool fits = dtype == layers.weight.dtype() || (lowered && layers.weight.dtype() == DType::Float32);
  if (!fits || !is_floating(dtype) || input.dim() != 4 ||
      autograd::recording(input, residual, layers.weight, layers.conv_bias, layers.norm_weight,
                          layers.norm_bias))
    return {};
  // Nothing to fold, or what conv2d refuses: the layers say what is wrong.
  if (layers.weight.numel() == 0 || options.stride_h <= 0 || options.stride_w <= 0) return {};
  for (const Tensor* part :
       {&layers.running_mean, &layers.running_var, &layers.norm_weight, &layers.norm_bias})
    if (part->defined() && part->numel() != channels) return {};  // the batch norm says what is wrong
  if (residual.defined() && (residual.dtype() != dtype || residual.dim() != 4 ||
                             residual.numel() != result_numel(input, layers.weight, options)))
    return {};
  // Rounded to bfloat16 once, where the kernel reads them.
  if (!refresh(layers, dtype == DType::BFloat16 ? DType::Float32 : dtype)) return {};
  const Tensor weight = weight_, bias = bias_;  // as they are now, whatever another thread does meanwhile
  TracedCall call("conv2d_fused", trace::Kind::Op);
  if (call)
    for (const Tensor& tensor : {input, weight, bias, residual}) call.input(tensor);
  Conv2dOptions rounding = options;
  rounding.rounds_weight = true;
  Tensor out = conv2d_fused(input, weight, bias, residual, relu, rounding);
  if (call) call.output(out);
  return out;
}

}  // namespace rushlight::ops

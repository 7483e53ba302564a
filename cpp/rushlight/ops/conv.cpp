#include "rushlight/ops/conv.h"

#include <algorithm>
#include <type_traits>

#include "rushlight/autograd/record.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/conv2d/conv2d.h"
#include "rushlight/kernels/conv2d/skinny.h"
#include "rushlight/kernels/gemm/split.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/outer_gradient.h"
#include "rushlight/ops/physical.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using kernels::Conv2dParams;
using kernels::ImageView;

Dims source_sizes(const Conv2dParams& p) { return {p.images, p.in_channels, p.in_h, p.in_w}; }
Dims weight_sizes(const Conv2dParams& p) { return {p.out_channels, p.group_in(), p.kernel_h, p.kernel_w}; }
Dims result_sizes(const Conv2dParams& p) { return {p.images, p.out_channels, p.out_h(), p.out_w()}; }

template <class T>
ImageView<const T> view_of(const Access& a, const Tensor& tensor) {
  return {reinterpret_cast<const T*>(a.data), a.strides[0], a.strides[2], a.strides[3],
          tensor.size(1) == 1 ? 1 : a.strides[1]};
}

// What f(TypeTag<T>) returns for the type that images have in kernels; false if there are none.
template <class F>
bool dispatch_kernel(DType dtype, F&& f) {
  if (dtype == DType::Float32) return f(TypeTag<float>{});
  if (dtype == DType::Float64) return f(TypeTag<double>{});
  if (dtype == DType::BFloat16 && kernels::has_bfloat16()) return f(TypeTag<uint16_t>{});
  if (is_floating(dtype)) return false;
  throw Error(str("conv2d: not implemented for ", dtype_name(dtype), " tensors"));
}

// The three directions are each other's derivatives: every one is bilinear, and its two gradients are the
// other two.
Tensor forward(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2dParams& p);
Tensor grad_source(const Tensor& grad, const Tensor& weight, const Conv2dParams& p,
                   const char* name = "ConvolutionBackwardBackward0");
Tensor grad_weight(const Tensor& input, const Tensor& grad, DType dtype, const Conv2dParams& p);

// 16-bit floats are multiplied as they are where there are tiles for them, or else in float32; sums are
// float32 and rounded once. Their weights may be float32 (Conv2dOptions::rounds_weight).
bool is_half(DType dtype) { return dtype == DType::Float16 || dtype == DType::BFloat16; }
Tensor wide(const Tensor& tensor) {
  return tensor.defined() && is_half(tensor.dtype()) ? to(tensor, DType::Float32) : tensor;
}
// What the kernels read: the values in one run, in the type of sums unless tiles know them as they are.
Tensor kernel_weight(const Tensor& weight, DType images) {
  const bool narrow =
      images == DType::BFloat16 && weight.dtype() == DType::BFloat16 && kernels::has_bfloat16();
  return contiguous(narrow ? weight : wide(weight));
}
// Calls f with a pointer to the values of such a tensor: bfloat16 ones are uint16_t.
template <class F>
bool with_weight(const Tensor& weight, F&& f) {
  if (weight.dtype() == DType::BFloat16) return f(reinterpret_cast<uint16_t*>(weight.data<BFloat16>()));
  return f(weight.data<float>());
}
Tensor wide_weight(const Tensor& weight, DType images) {
  return is_half(images) ? to(to(weight, images), DType::Float32) : weight;
}

// The values alone: relu(conv(input, weight) + bias + residual), the parts asked for.
// `keep`: no graph waits to change the weights.
Tensor forward_values(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& residual,
                      bool relu, const Conv2dParams& p, bool keep) {
  const autograd::GradModeGuard no_grad(false);
  Tensor out = Tensor::empty_channels_last(result_sizes(p), input.dtype());
  const Tensor plain_weight = kernel_weight(weight, input.dtype());
  const Tensor plain_bias = bias.defined() ? contiguous(wide(bias)) : bias;
  const Tensor added = residual.defined() ? in_layout(residual, true) : out;
  const Access from = input.access(), to = out.access(), more = added.access();
  // Put into the kernel's order once, unless someone else can change them unseen.
  const uint64_t stamp = weight.storage().stamp();
  keep = keep && plain_weight.impl() == weight.impl() && stamp != 0;
  const auto before = std::static_pointer_cast<const kernels::PackedWeights>(
      keep ? weight.storage().kept() : std::shared_ptr<const void>());
  kernels::KeptWeights packed = before;
  const HeavyWork heavy(p.work());
  const bool done = dispatch_kernel(input.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    kernels::ConvEpilogue<T> epilogue;
    if (bias.defined()) epilogue.bias = plain_bias.data<kernels::Wide<T>>();
    if (residual.defined()) epilogue.residual = reinterpret_cast<const T*>(more.data);
    epilogue.relu = relu;
    T* const result = reinterpret_cast<T*>(to.data);
    kernels::KeptWeights* const kept = keep ? &packed : nullptr;
    const ImageView<const T> src = view_of<T>(from, input);
    if constexpr (std::is_same_v<T, uint16_t>)
      return with_weight(plain_weight, [&](const auto* values) {
        return kernels::conv2d_forward_bf16(p, src, values, epilogue, result, kept);
      });
    else
      return kernels::conv2d_forward<T>(p, src, plain_weight.data<T>(), epilogue, result, kept), true;
  });
  if (keep && packed != before) weight.storage().keep(stamp, packed);
  if (done) return out;
  return ops::to(forward_values(wide(input), wide_weight(weight, input.dtype()), wide(bias), wide(residual),
                                relu, p, false),
                 input.dtype());
}

Tensor forward(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2dParams& p) {
  const bool recording = autograd::recording(input, weight, bias);
  Tensor out = forward_values(input, weight, bias, Tensor(), false, p, !recording);
  if (!recording) return out;
  autograd::record(
      out, "ConvolutionBackward0", {input, weight, bias},
      {autograd::save_if(weight.requires_grad(), input), autograd::save_if(input.requires_grad(), weight)},
      [p, dtype = weight.dtype()](Node& node, const Tensor& grad) -> Grads {
        return {node.needs(0) ? grad_source(grad, node.saved(1), p) : Tensor(),
                node.needs(1) ? grad_weight(node.saved(0), grad, dtype, p) : Tensor(),
                node.needs(2) ? sum(grad, {0, 2, 3}, false) : Tensor()};
      });
  return out;
}

Tensor grad_source_values(const Tensor& grad, const Tensor& weight, const Conv2dParams& p) {
  const autograd::GradModeGuard no_grad(false);
  Tensor out = Tensor::empty_channels_last(source_sizes(p), grad.dtype());
  const Tensor plain_weight = kernel_weight(weight, grad.dtype());
  const Access from = grad.access(), to = out.access();
  const HeavyWork heavy(p.work());
  const bool done = dispatch_kernel(grad.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* const result = reinterpret_cast<T*>(to.data);
    const ImageView<const T> src = view_of<T>(from, grad);
    if constexpr (std::is_same_v<T, uint16_t>)
      return with_weight(plain_weight, [&](const auto* values) {
        return kernels::conv2d_grad_src_bf16(p, src, values, result);
      });
    else
      return kernels::conv2d_grad_src<T>(p, src, plain_weight.data<T>(), result), true;
  });
  if (done) return out;
  return ops::to(grad_source_values(wide(grad), wide_weight(weight, grad.dtype()), p), grad.dtype());
}

Tensor grad_source(const Tensor& grad, const Tensor& weight, const Conv2dParams& p, const char* name) {
  Tensor out = grad_source_values(grad, weight, p);
  if (!autograd::recording(grad, weight)) return out;
  autograd::record(
      out, name, {grad, weight},
      {autograd::save_if(weight.requires_grad(), grad), autograd::save_if(grad.requires_grad(), weight)},
      [p, dtype = weight.dtype()](Node& node, const Tensor& second) -> Grads {
        return {node.needs(0) ? forward(second, node.saved(1), Tensor(), p) : Tensor(),
                node.needs(1) ? grad_weight(second, node.saved(0), dtype, p) : Tensor()};
      });
  return out;
}

// `dtype`: of the weight.
Tensor grad_weight_values(const Tensor& input, const Tensor& grad, DType dtype, const Conv2dParams& p) {
  const autograd::GradModeGuard no_grad(false);
  const bool narrow = dtype == DType::BFloat16 && input.dtype() == dtype && kernels::has_bfloat16();
  Tensor out = Tensor::empty(weight_sizes(p), narrow                   ? dtype
                                              : is_half(input.dtype()) ? DType::Float32
                                                                       : input.dtype());
  const Access from = input.access(), arrived = grad.access();
  const HeavyWork heavy(p.work());
  const bool done = dispatch_kernel(input.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const ImageView<const T> src = view_of<T>(from, input), result = view_of<T>(arrived, grad);
    if constexpr (std::is_same_v<T, uint16_t>)
      return with_weight(
          out, [&](auto* values) { return kernels::conv2d_grad_weight_bf16(p, src, result, values); });
    else
      return kernels::conv2d_grad_weight<T>(p, src, result, out.data<T>()), true;
  });
  return to(done ? out : grad_weight_values(wide(input), wide(grad), DType::Float32, p), dtype);
}

// See Note [Deferred values].
Tensor deferred_grad_weight(const Tensor& input, const Tensor& grad, const Conv2dParams& p) {
  const int64_t pixels = p.images * p.out_h() * p.out_w();
  Tensor left = Tensor::empty({pixels, p.out_channels}, DType::Float32);
  Tensor right = Tensor::empty({pixels, p.in_channels * p.taps()}, DType::Float32);
  const Access from = input.access(), arrived = grad.access();
  kernels::skinny_factors(p, view_of<float>(from, input), view_of<float>(arrived, grad), left.data<float>(),
                          right.data<float>());
  return OuterGradient::make(weight_sizes(p), std::move(left), std::move(right));
}

Tensor grad_weight(const Tensor& input, const Tensor& grad, DType dtype, const Conv2dParams& p) {
  const bool recording = autograd::recording(input, grad);
  if (!recording && input.dtype() == DType::Float32 && dtype == DType::Float32 && p.groups == 1 &&
      kernels::outer_sum_pays(p.out_channels, p.in_channels * p.taps(), p.images * p.out_h() * p.out_w()))
    return deferred_grad_weight(input, grad, p);
  Tensor out = grad_weight_values(input, grad, dtype, p);
  if (!recording) return out;
  autograd::record(
      out, "ConvolutionBackwardBackward0", {input, grad},
      {autograd::save_if(grad.requires_grad(), input), autograd::save_if(input.requires_grad(), grad)},
      [p](Node& node, const Tensor& second) -> Grads {
        return {node.needs(0) ? grad_source(node.saved(1), second, p) : Tensor(),
                node.needs(1) ? forward(node.saved(0), second, Tensor(), p) : Tensor()};
      });
  return out;
}

void check_operands(const Tensor& input, const Tensor& weight, const Tensor& bias, int64_t out_channels,
                    const Conv2dOptions& o, const char* op) {
  const auto fits = [&](const Tensor& tensor) {
    return tensor.dtype() == input.dtype() ||
           (o.rounds_weight && input.dtype() == DType::BFloat16 && tensor.dtype() == DType::Float32);
  };
  RUSHLIGHT_CHECK(fits(weight) && (!bias.defined() || fits(bias)), op,
                  ": input, weight and bias must have the same dtype, got ", dtype_name(input.dtype()), ", ",
                  dtype_name(weight.dtype()), bias.defined() ? str(", ", dtype_name(bias.dtype())) : "");
  RUSHLIGHT_CHECK(o.stride_h > 0 && o.stride_w > 0, op, ": stride must be positive, got (", o.stride_h, ", ",
                  o.stride_w, ")");
  RUSHLIGHT_CHECK(o.dilation_h > 0 && o.dilation_w > 0, op, ": dilation must be positive, got (",
                  o.dilation_h, ", ", o.dilation_w, ")");
  RUSHLIGHT_CHECK(o.pad_h >= 0 && o.pad_w >= 0, op, ": padding must not be negative, got (", o.pad_h, ", ",
                  o.pad_w, ")");
  RUSHLIGHT_CHECK(o.groups > 0, op, ": groups must be positive, got ", o.groups);
  RUSHLIGHT_CHECK(weight.numel() > 0, op, ": weight must not be empty, got ", to_string(weight.sizes()));
  RUSHLIGHT_CHECK(!bias.defined() || (bias.dim() == 1 && bias.size(0) == out_channels), op,
                  ": bias must have one value per output channel, got bias ",
                  bias.defined() ? to_string(bias.sizes()) : "", ", output channels ", out_channels);
}

Conv2dParams params_of(const Tensor& input, const Tensor& weight, const Conv2dOptions& o) {
  Conv2dParams p{input.size(0),  input.size(1), input.size(2), input.size(3), weight.size(0), weight.size(2),
                 weight.size(3), o.stride_h,    o.stride_w,    o.pad_h,       o.pad_w,        o.pad_h,
                 o.pad_w,        o.dilation_h,  o.dilation_w,  o.groups};
  if (o.same) {
    const int64_t total_h = o.dilation_h * (p.kernel_h - 1), total_w = o.dilation_w * (p.kernel_w - 1);
    p.pad_h = total_h / 2, p.pad_h_end = total_h - p.pad_h;
    p.pad_w = total_w / 2, p.pad_w_end = total_w - p.pad_w;
  }
  return p;
}

// The parameters of conv2d on a batch, everything checked.
Conv2dParams checked_params(const Tensor& input, const Tensor& weight, const Tensor& bias,
                            const Conv2dOptions& o) {
  check_operands(input, weight, bias, weight.size(0), o, "conv2d");
  RUSHLIGHT_CHECK(input.size(1) == weight.size(1) * o.groups,
                  "conv2d: input channels must equal weight.shape[1] * groups, got input ",
                  to_string(input.sizes()), ", weight ", to_string(weight.sizes()), ", groups=", o.groups);
  RUSHLIGHT_CHECK(weight.size(0) % o.groups == 0,
                  "conv2d: output channels must be a multiple of groups, got weight ",
                  to_string(weight.sizes()), ", groups=", o.groups);
  RUSHLIGHT_CHECK(!o.same || (o.stride_h == 1 && o.stride_w == 1),
                  "conv2d: padding='same' needs stride 1, got stride (", o.stride_h, ", ", o.stride_w, ")");
  const Conv2dParams p = params_of(input, weight, o);
  const int64_t padded_h = p.in_h + p.pad_h + p.pad_h_end, padded_w = p.in_w + p.pad_w + p.pad_w_end;
  const int64_t reach_h = p.dilation_h * (p.kernel_h - 1) + 1, reach_w = p.dilation_w * (p.kernel_w - 1) + 1;
  RUSHLIGHT_CHECK(padded_h >= reach_h && padded_w >= reach_w,
                  "conv2d: the kernel must fit into the padded input, got padded input (", padded_h, ", ",
                  padded_w, "), kernel with dilation (", reach_h, ", ", reach_w, ")");
  return p;
}

}  // namespace

Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2dOptions& o) {
  RUSHLIGHT_CHECK((input.dim() == 3 || input.dim() == 4) && weight.dim() == 4,
                  "conv2d: expected a 4D (N, C, H, W) or 3D (C, H, W) input and a 4D weight, got input ",
                  to_string(input.sizes()), ", weight ", to_string(weight.sizes()));
  if (input.dim() == 3) return squeeze(conv2d(unsqueeze(input, 0), weight, bias, o), Dims{0});
  const Conv2dParams p = checked_params(input, weight, bias, o);
  return forward(input, weight, bias, p);
}

Tensor conv2d_fused(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& residual,
                    bool relu, const Conv2dOptions& o) {
  RUSHLIGHT_CHECK(input.dim() == 4 && weight.dim() == 4,
                  "conv2d_fused: expected a 4D (N, C, H, W) input and a 4D weight, got input ",
                  to_string(input.sizes()), ", weight ", to_string(weight.sizes()));
  RUSHLIGHT_CHECK(!autograd::recording(input, weight, bias, residual),
                  "conv2d_fused: has no backward; use it under no_grad, or conv2d, + and relu instead");
  const Conv2dParams p = checked_params(input, weight, bias, o);
  RUSHLIGHT_CHECK(
      !residual.defined() || (residual.sizes() == result_sizes(p) && residual.dtype() == input.dtype()),
      "conv2d_fused: residual must have the result's shape and dtype, ", to_string(result_sizes(p)), " ",
      dtype_name(input.dtype()), ", got ",
      residual.defined() ? str(to_string(residual.sizes()), " ", dtype_name(residual.dtype())) : "");
  return forward_values(input, weight, bias, residual, relu, p, true);
}

Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  RUSHLIGHT_CHECK((input.dim() == 2 || input.dim() == 3) && weight.dim() == 3,
                  "conv1d: expected a 3D (N, C, L) or 2D (C, L) input and a 3D weight, got input ",
                  to_string(input.sizes()), ", weight ", to_string(weight.sizes()));
  return squeeze(conv2d(unsqueeze(input, -2), unsqueeze(weight, 2), bias, options), Dims{-2});
}

Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2dOptions& o,
                        int64_t output_pad_h, int64_t output_pad_w) {
  RUSHLIGHT_CHECK(
      (input.dim() == 3 || input.dim() == 4) && weight.dim() == 4,
      "conv_transpose2d: expected a 4D (N, C, H, W) or 3D (C, H, W) input and a 4D weight, got input ",
      to_string(input.sizes()), ", weight ", to_string(weight.sizes()));
  if (input.dim() == 3)
    return squeeze(conv_transpose2d(unsqueeze(input, 0), weight, bias, o, output_pad_h, output_pad_w),
                   Dims{0});
  check_operands(input, weight, bias, weight.size(1) * o.groups, o, "conv_transpose2d");
  RUSHLIGHT_CHECK(
      input.size(1) == weight.size(0) && weight.size(0) % o.groups == 0,
      "conv_transpose2d: input channels must equal weight.shape[0], a multiple of groups, got input ",
      to_string(input.sizes()), ", weight ", to_string(weight.sizes()), ", groups=", o.groups);
  RUSHLIGHT_CHECK(
      output_pad_h >= 0 && output_pad_w >= 0 && output_pad_h < std::max(o.stride_h, o.dilation_h) &&
          output_pad_w < std::max(o.stride_w, o.dilation_w),
      "conv_transpose2d: output_padding must be smaller than stride or dilation, got output_padding (",
      output_pad_h, ", ", output_pad_w, "), stride (", o.stride_h, ", ", o.stride_w, "), dilation (",
      o.dilation_h, ", ", o.dilation_w, ")");
  const auto grown = [](int64_t size, int64_t stride, int64_t pad, int64_t dilation, int64_t kernel,
                        int64_t extra) {
    return (size - 1) * stride - 2 * pad + dilation * (kernel - 1) + extra + 1;
  };
  Conv2dParams p{input.size(0),
                 weight.size(1) * o.groups,
                 grown(input.size(2), o.stride_h, o.pad_h, o.dilation_h, weight.size(2), output_pad_h),
                 grown(input.size(3), o.stride_w, o.pad_w, o.dilation_w, weight.size(3), output_pad_w),
                 weight.size(0),
                 weight.size(2),
                 weight.size(3),
                 o.stride_h,
                 o.stride_w,
                 o.pad_h,
                 o.pad_w,
                 o.pad_h,
                 o.pad_w,
                 o.dilation_h,
                 o.dilation_w,
                 o.groups};
  RUSHLIGHT_CHECK(p.in_h > 0 && p.in_w > 0 && input.size(2) > 0 && input.size(3) > 0,
                  "conv_transpose2d: the result would be empty, got input ", to_string(input.sizes()),
                  ", weight ", to_string(weight.sizes()));
  // Output padding beyond the stride (allowed up to the dilation) belongs to pixels no tap reaches.
  p.pad_h_end = (input.size(2) - 1) * o.stride_h + o.dilation_h * (p.kernel_h - 1) + 1 - p.in_h - p.pad_h;
  p.pad_w_end = (input.size(3) - 1) * o.stride_w + o.dilation_w * (p.kernel_w - 1) + 1 - p.in_w - p.pad_w;
  const char* const name = "ConvolutionBackward0";
  if (!bias.defined()) return grad_source(input, weight, p, name);
  const Tensor row = reshape(bias, {1, bias.size(0), 1, 1});
  if (!is_half(input.dtype())) return add(grad_source(input, weight, p, name), row);
  return to(add(grad_source(wide(input), wide(weight), p, name), wide(row)), input.dtype());
}

}  // namespace rushlight::ops

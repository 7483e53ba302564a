#include "rushlight/ops/pool.h"

#include <algorithm>

#include "rushlight/autograd/record.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/physical.h"
#include "rushlight/ops/pool_detail.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using kernels::Pool2dParams;
using kernels::PoolAxis;
using pool_detail::max_pool_backward;

// One axis of a plain pooling; the window of output i starts at i * stride - padding.
struct AxisOptions {
  int64_t kernel;
  int64_t stride;
  int64_t padding;
  int64_t dilation;
  bool ceil_mode;

  int64_t outputs(int64_t size) const {
    const int64_t span = size + 2 * padding - dilation * (kernel - 1) - 1;
    if (span < 0 && !ceil_mode) return 0;
    const int64_t rounded = span + (ceil_mode ? stride - 1 : 0);
    const int64_t count = (rounded >= 0 ? rounded / stride : -1) + 1;
    // The last window must start inside the input or the padding before it.
    return ceil_mode && (count - 1) * stride >= size + padding ? count - 1 : count;
  }

  PoolAxis axis(int64_t size, bool count_include_pad) const {
    PoolAxis result{size, dilation, {}, {}, {}};
    const int64_t n = outputs(size);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t start = i * stride - padding;
      const int64_t skipped = start < 0 ? (-start + dilation - 1) / dilation : 0;
      const int64_t begin = start + skipped * dilation;
      const int64_t end = std::min(start + dilation * (kernel - 1) + 1, size);
      const int64_t padded_end = std::min(start + kernel, size + padding);
      result.begin.push_back(begin);
      result.end.push_back(end);
      result.count.push_back(count_include_pad ? padded_end - start : end - begin);
    }
    return result;
  }
};

PoolAxis adaptive_axis(int64_t size, int64_t outputs) {
  PoolAxis result{size, 1, {}, {}, {}};
  for (int64_t i = 0; i < outputs; ++i) {
    result.begin.push_back(i * size / outputs);
    result.end.push_back(((i + 1) * size + outputs - 1) / outputs);
    result.count.push_back(result.end.back() - result.begin.back());
  }
  return result;
}

void check_options(const char* op, const Tensor& input, const Pool2dOptions& o) {
  RUSHLIGHT_CHECK(o.kernel.h > 0 && o.kernel.w > 0, op, ": kernel_size should be greater than zero, got (",
                  o.kernel.h, ", ", o.kernel.w, ")");
  RUSHLIGHT_CHECK(o.stride.h > 0 && o.stride.w > 0, op, ": stride should not be zero or negative, got (",
                  o.stride.h, ", ", o.stride.w, ")");
  RUSHLIGHT_CHECK(o.dilation.h > 0 && o.dilation.w > 0, op, ": dilation should be greater than zero, got (",
                  o.dilation.h, ", ", o.dilation.w, ")");
  RUSHLIGHT_CHECK(o.padding.h >= 0 && o.padding.w >= 0 &&
                      2 * o.padding.h <= o.dilation.h * (o.kernel.h - 1) + 1 &&
                      2 * o.padding.w <= o.dilation.w * (o.kernel.w - 1) + 1,
                  op, ": pad should be at most half of effective kernel size and not negative, got padding (",
                  o.padding.h, ", ", o.padding.w, "), kernel_size (", o.kernel.h, ", ", o.kernel.w,
                  "), dilation (", o.dilation.h, ", ", o.dilation.w, ")");
  RUSHLIGHT_CHECK(!o.divisor_override.has_value() || *o.divisor_override != 0, op,
                  ": divisor must be not zero, got divisor_override=0");
  RUSHLIGHT_CHECK_AS(NotImplementedError, is_floating(input.dtype()), op, ": not implemented for ",
                     dtype_name(input.dtype()));
}

// The image dimensions must hold something; the batch may be empty.
void check_image(const char* op, const Tensor& images, const Tensor& input) {
  RUSHLIGHT_CHECK(images.size(1) > 0 && images.size(2) > 0 && images.size(3) > 0, op,
                  ": Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, got ",
                  to_string(input.sizes()));
}

Pool2dParams params_for(const char* op, const Tensor& images, const Pool2dOptions& o) {
  const AxisOptions h{o.kernel.h, o.stride.h, o.padding.h, o.dilation.h, o.ceil_mode};
  const AxisOptions w{o.kernel.w, o.stride.w, o.padding.w, o.dilation.w, o.ceil_mode};
  const int64_t height = h.outputs(images.size(2));
  const int64_t width = w.outputs(images.size(3));
  RUSHLIGHT_CHECK(height > 0 && width > 0, op, ": Given input size: (", images.size(1), "x", images.size(2),
                  "x", images.size(3), "). Calculated output size: (", images.size(1), "x", height, "x",
                  width, "). Output size is too small");
  return {images.dtype(),
          images.size(0),
          images.size(1),
          h.axis(images.size(2), o.count_include_pad),
          w.axis(images.size(3), o.count_include_pad),
          false,
          o.divisor_override.value_or(0)};
}

Pool2dParams adaptive_params(const char* op, const Tensor& images, std::optional<int64_t> out_h,
                             std::optional<int64_t> out_w) {
  const int64_t height = out_h.value_or(images.size(2));
  const int64_t width = out_w.value_or(images.size(3));
  RUSHLIGHT_CHECK(height >= 0 && width >= 0, op,
                  ": elements of output_size must be greater than or equal to 0 but received {", height, ", ",
                  width, "}");
  RUSHLIGHT_CHECK_AS(NotImplementedError, is_floating(images.dtype()), op, ": not implemented for ",
                     dtype_name(images.dtype()));
  return {images.dtype(),
          images.size(0),
          images.size(1),
          adaptive_axis(images.size(2), height),
          adaptive_axis(images.size(3), width),
          false,
          0};
}

// The parameters with the memory order fitted to `model`: channels-last where that is fast.
Pool2dParams fitted(Pool2dParams params, const Tensor& model) {
  params.channels_last = model.is_channels_last() && model.dtype() != DType::Float16;
  return params;
}

Dims output_sizes(const Pool2dParams& p) { return {p.batch, p.channels, p.h.outputs(), p.w.outputs()}; }
Dims input_sizes(const Pool2dParams& p) { return {p.batch, p.channels, p.h.size, p.w.size}; }

// What backward adds up over windows, which may overlap; 16-bit floats do it in float32 (channels-last max
// pooling of bfloat16 inside its kernel). `run` is the kernel.
template <class Run>
Tensor sum_over_windows(const Tensor& grad, Pool2dParams params, bool widens, const Run& run) {
  const autograd::GradModeGuard no_grad(false);
  const DType dtype = grad.dtype();
  if (widens && dtype_size(dtype) == 2) params.dtype = DType::Float32;
  const Tensor from = in_layout(to(grad, params.dtype), params.channels_last);
  const Tensor out = empty_physical(input_sizes(params), params.dtype, params.channels_last);
  run(params, from.access().data, out.access().data);
  return to(out, dtype);
}

// Linear, as max_pool_backward: one's gradient is the other.
Tensor max_pool_pick(const Tensor& input, const Tensor& where, const Pool2dParams& params) {
  Tensor out = empty_physical(output_sizes(params), input.dtype(), params.channels_last);
  const Tensor from = in_layout(input, params.channels_last);
  kernels::max_pool2d_gather(params, from.access().data, where.access().data, out.access().data);
  if (autograd::recording(input))
    autograd::record(out, "MaxPool2DPickBackward0", {input}, {where},
                     [params](Node& node, const Tensor& grad) -> Grads {
                       return {max_pool_backward(grad, node.saved(0), params)};
                     });
  return out;
}

Tensor avg_pool_backward(const Tensor& grad, const Pool2dParams& params, const char* name);

Tensor avg_pool(const Tensor& images, const Pool2dParams& params, const char* name) {
  Tensor out = empty_physical(output_sizes(params), images.dtype(), params.channels_last);
  const Tensor from = in_layout(images, params.channels_last);
  kernels::avg_pool2d(params, from.access().data, out.access().data);
  if (autograd::recording(images))
    autograd::record(out, name, {images}, {}, [params, name](Node&, const Tensor& grad) -> Grads {
      return {avg_pool_backward(grad, params, name)};
    });
  return out;
}

Tensor avg_pool_backward(const Tensor& grad, const Pool2dParams& params, const char* name) {
  const Tensor out = sum_over_windows(grad, params, true, &kernels::avg_pool2d_backward);
  if (autograd::recording(grad))
    autograd::record(out, name, {grad}, {}, [params, name](Node&, const Tensor& grad_out) -> Grads {
      return {avg_pool(grad_out, params, name)};
    });
  return out;
}

Pooled max_pool(const Tensor& images, Pool2dParams params, const char* name, bool with_indices) {
  params.channels_last = params.channels_last && kernels::max_pool2d_numbers_fit(params);
  const bool last = params.channels_last;
  const Dims sizes = output_sizes(params);
  Pooled out{empty_physical(sizes, images.dtype(), last), Tensor()};
  const Tensor where = empty_physical(sizes, last ? DType::UInt8 : DType::Int64, last);
  const Tensor from = in_layout(images, last);
  kernels::max_pool2d(params, from.access().data, out.values.access().data, where.access().data);
  if (with_indices) {
    out.indices = last ? empty_physical(sizes, DType::Int64, last) : where;
    if (last)
      kernels::max_pool2d_positions(params, reinterpret_cast<const uint8_t*>(where.access().data),
                                    reinterpret_cast<int64_t*>(out.indices.access().data));
  }
  if (autograd::recording(images))
    autograd::record(out.values, name, {images}, {where}, [params](Node& node, const Tensor& grad) -> Grads {
      return {max_pool_backward(grad, node.saved(0), params)};
    });
  return out;
}

// A batch of one for (C, H, W) images.
Tensor batched(const Tensor& input) { return input.dim() == 3 ? unsqueeze(input, 0) : input; }
Tensor unbatched(const Tensor& out, const Tensor& input) {
  return input.dim() == 3 ? squeeze(out, {0}) : out;
}

}  // namespace

Tensor pool_detail::max_pool_backward(const Tensor& grad, const Tensor& where, const Pool2dParams& params) {
  const Access chosen = where.access();
  const bool widens = grad.dtype() != DType::BFloat16 || !params.channels_last;
  const Tensor out =
      sum_over_windows(grad, params, widens, [&](const Pool2dParams& p, const void* from, void* to) {
        kernels::max_pool2d_backward(p, from, chosen.data, to);
      });
  if (autograd::recording(grad))
    autograd::record(out, "MaxPool2DWithIndicesBackwardBackward0", {grad}, {where},
                     [params](Node& node, const Tensor& grad_out) -> Grads {
                       return {max_pool_pick(grad_out, node.saved(0), params)};
                     });
  return out;
}

Pool2dParams pool_detail::max_pool_params(const Tensor& images, const Tensor& input,
                                          const Pool2dOptions& options) {
  check_options("max_pool2d", input, options);
  check_image("max_pool2d", images, input);
  return fitted(params_for("max_pool2d", images, options), images);
}

Pooled max_pool2d(const Tensor& input, const Pool2dOptions& options, bool with_indices) {
  RUSHLIGHT_CHECK(input.dim() == 3 || input.dim() == 4,
                  "max_pool2d: non-empty 3D or 4D (batch mode) tensor expected for input, got ",
                  to_string(input.sizes()));
  const Tensor images = batched(input);
  const Pooled out = max_pool(images, pool_detail::max_pool_params(images, input, options),
                              "MaxPool2DWithIndicesBackward0", with_indices);
  return {unbatched(out.values, input), with_indices ? unbatched(out.indices, input) : Tensor()};
}

Tensor avg_pool2d(const Tensor& input, const Pool2dOptions& options) {
  RUSHLIGHT_CHECK_INDEX(input.dim() >= 3,
                        "avg_pool2d: Dimension out of range (expected a 3D or 4D input, dimension -3 "
                        "is missing), got ",
                        to_string(input.sizes()));
  RUSHLIGHT_CHECK(input.dim() <= 4,
                  "avg_pool2d: non-empty 3D or 4D (batch mode) tensor expected for input, got ",
                  to_string(input.sizes()));
  check_options("avg_pool2d", input, options);
  const Tensor images = batched(input);
  check_image("avg_pool2d", images, input);
  const Pool2dParams params = fitted(params_for("avg_pool2d", images, options), images);
  return unbatched(avg_pool(images, params, "AvgPool2DBackward0"), input);
}

Tensor adaptive_avg_pool2d(const Tensor& input, std::optional<int64_t> out_h, std::optional<int64_t> out_w) {
  RUSHLIGHT_CHECK_VALUE(input.dim() >= 3, "adaptive_avg_pool2d: Input dimension should be at least 3, got ",
                        to_string(input.sizes()));
  RUSHLIGHT_CHECK(input.dim() <= 4, "adaptive_avg_pool2d: Expected 3D or 4D tensor, but got ",
                  to_string(input.sizes()));
  if (out_h == 1 && out_w == 1 && input.size(-1) > 0 && input.size(-2) > 0)
    return mean(input, {-1, -2}, true);
  const Tensor images = batched(input);
  check_image("adaptive_avg_pool2d", images, input);
  const Pool2dParams params = fitted(adaptive_params("adaptive_avg_pool2d", images, out_h, out_w), images);
  return unbatched(avg_pool(images, params, "AdaptiveAvgPool2DBackward0"), input);
}

Pooled adaptive_max_pool2d(const Tensor& input, std::optional<int64_t> out_h, std::optional<int64_t> out_w,
                           bool with_indices) {
  RUSHLIGHT_CHECK_VALUE(input.dim() == 3 || input.dim() == 4,
                        "adaptive_max_pool2d: Expected 3D or 4D tensor, but got ", to_string(input.sizes()));
  const Tensor images = batched(input);
  check_image("adaptive_max_pool2d", images, input);
  const Pooled out =
      max_pool(images, fitted(adaptive_params("adaptive_max_pool2d", images, out_h, out_w), images),
               "AdaptiveMaxPool2DBackward0", with_indices);
  return {unbatched(out.values, input), with_indices ? unbatched(out.indices, input) : Tensor()};
}

}  // namespace rushlight::ops

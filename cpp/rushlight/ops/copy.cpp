#include "rushlight/ops/copy.h"

#include <algorithm>
#include <cstring>

#include "rushlight/autograd/grad_arithmetic.h"
#include "rushlight/autograd/record.h"
#include "rushlight/kernels/elementwise/copy.h"
#include "rushlight/ops/pointwise.h"

namespace rushlight {

void relayout_to_plain(const Dims& sizes, DType dtype, const void* src, void* dst) {
  const Dims from = channels_last_strides(sizes);
  const Dims to = contiguous_strides(sizes);
  kernels::copy(4, sizes.data(), dtype, src, from.data(), dtype, dst, to.data());
}

namespace ops {
namespace {

// Strides of a dense tensor in the memory order of `input` (PyTorch's preserve_format); contiguous
// ones if `input` has gaps or overlaps.
Dims dense_strides_like(const Tensor& input) {
  Dims order(input.sizes().size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return input.strides()[a] > input.strides()[b]; });
  Dims strides(order.size());
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = step;
    if (input.sizes()[order[i]] != 1 && input.strides()[order[i]] != step)
      return contiguous_strides(input.sizes());
    step *= input.sizes()[order[i]];
  }
  return strides;
}

}  // namespace

Tensor empty_like_layout(const Tensor& input, DType dtype) {
  if (input.is_channels_last()) return Tensor::empty_channels_last(input.sizes(), dtype);
  if (input.is_contiguous()) return Tensor::empty(input.sizes(), dtype);
  return Tensor::empty_strided(input.sizes(), dense_strides_like(input), dtype);
}

void copy_into(const Tensor& dst, const Tensor& src) {
  const Access to = dst.access();
  if (dst.numel() == 0) return;
  const Access from = src.access();
  const Dims strides = broadcast_strides(src.sizes(), from.strides, dst.sizes());
  kernels::copy(static_cast<int>(dst.dim()), dst.sizes().data(), src.dtype(), from.data, strides.data(),
                dst.dtype(), to.data, to.strides.data());
}

Tensor clone(const Tensor& input) {
  Tensor out = empty_like_layout(input, input.dtype());
  copy_into(out, input);
  if (autograd::recording(input))
    autograd::record(out, "CloneBackward0", {input}, {},
                     [](autograd::Node&, const Tensor& grad) -> autograd::Grads { return {grad}; });
  return out;
}

Tensor contiguous(const Tensor& input) {
  if (input.is_contiguous()) return input;
  Tensor out = Tensor::empty(input.sizes(), input.dtype());
  copy_into(out, input);
  if (autograd::recording(input))
    autograd::record(out, "CloneBackward0", {input}, {},
                     [](autograd::Node&, const Tensor& grad) -> autograd::Grads { return {grad}; });
  return out;
}

Tensor to(const Tensor& input, DType dtype, bool copy) {
  if (input.dtype() == dtype) return copy ? clone(input) : input;
  Tensor out = empty_like_layout(input, dtype);
  copy_into(out, input);
  if (autograd::recording(input) && is_floating(dtype))
    autograd::record(out, "ToCopyBackward0", {input}, {},
                     [from = input.dtype()](autograd::Node&, const Tensor& grad) -> autograd::Grads {
                       return {to(grad, from)};
                     });
  return out;
}

Tensor copy_(const Tensor& self, const Tensor& src) {
  if (self.impl() == src.impl()) return self;
  RUSHLIGHT_CHECK(broadcast_sizes(self.sizes(), src.sizes(), "copy_") == self.sizes(),
                  "copy_: the source must broadcast to the target, got source ", to_string(src.sizes()),
                  ", target ", to_string(self.sizes()));
  const autograd::InPlace change(self, "copy_");
  // Overlapping memory: read everything before writing.
  const bool shared = &self.storage() == &src.storage();
  copy_into(self, shared ? clone(autograd::detach(src)) : src);
  change.written();
  if (is_floating(self.dtype()) && autograd::recording(change.before, src))
    autograd::record(self, "CopyBackwards", {change.before, src}, {},
                     [sizes = src.sizes(), dtype = src.dtype()](autograd::Node& node,
                                                                const Tensor& grad) -> autograd::Grads {
                       return {node.needs(0) ? zeros(grad.sizes(), grad.dtype()) : Tensor(),
                               node.needs(1) ? to(autograd::grad_sum_to(grad, sizes), dtype) : Tensor()};
                     });
  return self;
}

Tensor full(const Dims& sizes, const Number& value, DType dtype) {
  check_fits(value, dtype);
  Tensor out = Tensor::empty(sizes, dtype);
  const Tensor source = value.is_floating() ? Tensor::scalar(value.real, DType::Float64)
                                            : Tensor::scalar(value.integer, DType::Int64);
  copy_into(out, source);
  return out;
}

Tensor zeros(const Dims& sizes, DType dtype) {
  Tensor out = Tensor::empty(sizes, dtype);
  if (out.nbytes() > 0) std::memset(out.raw_data(), 0, out.nbytes());
  return out;
}

}  // namespace ops
}  // namespace rushlight

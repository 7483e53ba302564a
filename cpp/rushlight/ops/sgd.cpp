#include "rushlight/ops/sgd.h"

#include "rushlight/autograd/record.h"
#include "rushlight/ops/copy.h"

namespace rushlight::ops {
namespace {

// One run of memory in the same order: the update may then ignore the shape.
bool same_order(const Tensor& a, const Tensor& b) {
  return a.is_contiguous() && b.is_contiguous() && a.is_channels_last() == b.is_channels_last();
}

}  // namespace

void sgd_step_(const Tensor& param, const Tensor& grad, const Tensor& momentum_buffer,
               const kernels::SgdParams& params) {
  const DType dtype = param.dtype();
  RUSHLIGHT_CHECK(dtype == DType::Float32 || dtype == DType::Float64,
                  "sgd_step_: expected a float32 or float64 parameter, got ", dtype_name(dtype));
  RUSHLIGHT_CHECK(grad.sizes() == param.sizes() && grad.dtype() == dtype,
                  "sgd_step_: grad must look like param (", to_string(param.sizes()), ", ", dtype_name(dtype),
                  "), got ", to_string(grad.sizes()), ", ", dtype_name(grad.dtype()));
  const bool buffered = momentum_buffer.defined();
  RUSHLIGHT_CHECK(buffered == (params.momentum != 0.0),
                  "sgd_step_: a momentum buffer goes with momentum != 0, got momentum ", params.momentum,
                  buffered ? " with" : " without", " a buffer");
  RUSHLIGHT_CHECK(!buffered || (momentum_buffer.sizes() == param.sizes() && momentum_buffer.dtype() == dtype),
                  "sgd_step_: momentum_buffer must look like param (", to_string(param.sizes()), "), got ",
                  buffered ? to_string(momentum_buffer.sizes()) : "");
  const autograd::GradModeGuard no_grad(false);
  // Operands in another order than the parameter's are worked on as copies in its order.
  const auto fitted = [&](const Tensor& tensor) {
    if (same_order(tensor, param)) return tensor;
    Tensor copy = param.is_channels_last() ? Tensor::empty_channels_last(param.sizes(), dtype)
                                           : Tensor::empty(param.sizes(), dtype);
    copy_into(copy, tensor);
    return copy;
  };
  const Tensor p = fitted(param);
  const Tensor g = fitted(grad);
  const Tensor b = buffered ? fitted(momentum_buffer) : Tensor();
  {
    const Access to = p.access();
    const Access from = g.access();
    const Access buffer = buffered ? b.access() : Access{};
    kernels::sgd_step(dtype, params, to.data, from.data, buffer.data, param.numel());
  }
  if (p.impl() != param.impl()) copy_into(param, p);
  param.storage().bump_version();
  if (!buffered) return;
  if (b.impl() != momentum_buffer.impl()) copy_into(momentum_buffer, b);
  momentum_buffer.storage().bump_version();
}

}  // namespace rushlight::ops

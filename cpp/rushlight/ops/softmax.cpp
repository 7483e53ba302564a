#include "rushlight/ops/softmax.h"

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/softmax/softmax.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/unary.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

kernels::SoftmaxParams params_for(bool log, const Tensor& plain, int64_t dim) {
  kernels::SoftmaxParams params{plain.dtype(), log, 1, plain.dim() == 0 ? 1 : plain.size(dim), 1};
  for (int64_t d = 0; d < dim; ++d) params.outer *= plain.size(d);
  for (int64_t d = dim + 1; d < plain.dim(); ++d) params.inner *= plain.size(d);
  return params;
}

// The gradient of the input. `y` is the forward result; differentiable in both:
// softmax: y * (g - sum(g * y)), log_softmax: g - exp(y) * sum(g).
Tensor softmax_backward(bool log, const Tensor& grad, const Tensor& y, int64_t dim) {
  if (autograd::grad_enabled()) {
    if (log) return sub(grad, mul(exp(y), sum(grad, {dim}, true)));
    return mul(y, sub(grad, sum(mul(grad, y), {dim}, true)));
  }
  const Tensor g = contiguous(grad);
  const Tensor result = contiguous(y);
  Tensor out = Tensor::empty(y.sizes(), y.dtype());
  kernels::softmax_backward(params_for(log, result, dim), g.raw_data(), result.raw_data(), out.raw_data());
  return out;
}

Tensor forward(bool log, const Tensor& input, int64_t dim, OptionalDType dtype) {
  const int64_t d = wrap_dim(dim, input.dim());
  const Tensor values = dtype.has_value() ? to(input, *dtype) : input;
  RUSHLIGHT_CHECK_AS(NotImplementedError, is_floating(values.dtype()), log ? "log_softmax" : "softmax",
                     ": not implemented for ", dtype_name(values.dtype()), "; pass dtype=torch.float32");
  const Tensor plain = [&] {
    const autograd::GradModeGuard no_grad(false);
    return contiguous(values);
  }();
  Tensor out = Tensor::empty(values.sizes(), values.dtype());
  kernels::softmax(params_for(log, plain, d), plain.raw_data(), out.raw_data());
  if (autograd::recording(values))
    autograd::record(out, log ? "LogSoftmaxBackward0" : "SoftmaxBackward0", {values},
                     {autograd::SavedTensor::result(out)}, [log, d](Node& node, const Tensor& grad) -> Grads {
                       return {softmax_backward(log, grad, node.saved(0), d)};
                     });
  return out;
}

}  // namespace

Tensor softmax(const Tensor& input, int64_t dim, OptionalDType dtype) {
  return forward(false, input, dim, dtype);
}
Tensor log_softmax(const Tensor& input, int64_t dim, OptionalDType dtype) {
  return forward(true, input, dim, dtype);
}

}  // namespace rushlight::ops

// cumsum and cumprod.
#include "rushlight/autograd/record.h"
#include "rushlight/kernels/sort/sort.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/comparison.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/ternary.h"
#include "rushlight/ops/unary.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

Tensor run(bool product, const Tensor& input, int64_t dim, OptionalDType dtype) {
  const autograd::GradModeGuard no_grad(false);
  const Tensor plain =
      contiguous(to(input, dtype.value_or(is_floating(input.dtype()) ? input.dtype() : DType::Int64)));
  Tensor out = Tensor::empty(plain.sizes(), plain.dtype());
  int64_t outer = 1;
  int64_t inner = 1;
  for (int64_t d = 0; d < dim; ++d) outer *= plain.size(d);
  for (int64_t d = dim + 1; d < plain.dim(); ++d) inner *= plain.size(d);
  const int64_t n = plain.dim() == 0 ? 1 : plain.size(dim);
  kernels::cumulate(product, plain.dtype(), outer, n, inner, plain.raw_data(), out.raw_data());
  return out;
}

// Sums from the end: total - cumsum + x.
Tensor reverse_cumsum(const Tensor& x, int64_t dim) {
  if (x.dim() == 0) return x;
  return add(sub(sum(x, {dim}, true), cumsum(x, dim)), x);
}

// d cumprod(x)[i] / d x[k] = product of x[j], j <= i, j != k, for i >= k. Right where x holds zeros and
// differentiable; takes n^2 memory along the last dimension, so it is meant for those lines only.
Tensor cumprod_backward_with_zeros(const Tensor& grad, const Tensor& x) {
  const int64_t n = x.size(-1);
  Dims square = x.sizes();
  square.push_back(n);
  Tensor same = zeros({n, n}, DType::Bool);    // [k, j]: j == k
  Tensor before = zeros({n, n}, DType::Bool);  // [k, i]: i < k
  for (int64_t k = 0; k < n; ++k) {
    same.data<bool>()[k * n + k] = true;
    for (int64_t i = 0; i < k; ++i) before.data<bool>()[k * n + i] = true;
  }
  const Tensor others = masked_fill(expand(unsqueeze(x, -2), square), same, number_tensor(1.0));
  const Tensor slopes = masked_fill(cumprod(others, -1), before, number_tensor(0.0));
  return sum(mul(expand(unsqueeze(grad, -2), square), slopes), {-1}, false);
}

}  // namespace

Tensor cumsum(const Tensor& input, int64_t dim, OptionalDType dtype) {
  const int64_t d = wrap_dim(dim, input.dim());
  Tensor out = run(false, input, d, dtype);
  if (autograd::recording(input) && is_floating(out.dtype()))
    autograd::record(out, "CumsumBackward0", {input}, {},
                     [d, type = input.dtype()](Node&, const Tensor& grad) -> Grads {
                       return {to(reverse_cumsum(grad, d), type)};
                     });
  return out;
}

Tensor cumprod(const Tensor& input, int64_t dim, OptionalDType dtype) {
  const int64_t d = wrap_dim(dim, input.dim());
  Tensor out = run(true, input, d, dtype);
  if (autograd::recording(input) && is_floating(out.dtype()))
    autograd::record(out, "CumprodBackward0", {input}, {input, autograd::SavedTensor::result(out)},
                     [d](Node& node, const Tensor& grad) -> Grads {
                       const Tensor x = node.saved(0);
                       if (x.dim() == 0) return {to(grad, x.dtype())};
                       Tensor zero;
                       {
                         const autograd::GradModeGuard no_grad(false);
                         zero = any(eq(x, number_tensor(0.0)), {}, false);
                       }
                       if (!*zero.data<bool>())
                         return {to(div(reverse_cumsum(mul(grad, node.saved(1)), d), x), x.dtype())};
                       const Tensor moved =
                           cumprod_backward_with_zeros(movedim(grad, {d}, {-1}), movedim(x, {d}, {-1}));
                       return {to(movedim(moved, {-1}, {d}), x.dtype())};
                     });
  return out;
}

}  // namespace rushlight::ops

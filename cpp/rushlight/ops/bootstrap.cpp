// Plain loops behind reduce.h until the kernels' owner replaces them.
#include "rushlight/autograd/grad_arithmetic.h"
#include "rushlight/autograd/record.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/view.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

}  // namespace

Tensor sum(const Tensor& input, const Dims& dims, bool keepdim) {
  std::vector<bool> reduced(static_cast<size_t>(input.dim()), dims.empty());
  for (const int64_t d : dims) reduced[wrap_dim(d, input.dim())] = true;
  Dims kept;
  Dims order;
  Dims shape;
  for (int64_t d = 0; d < input.dim(); ++d)
    if (!reduced[d]) order.push_back(d), shape.push_back(input.sizes()[d]);
  for (int64_t d = 0; d < input.dim(); ++d) {
    if (reduced[d]) order.push_back(d);
    if (!reduced[d] || keepdim) kept.push_back(reduced[d] ? 1 : input.sizes()[d]);
  }
  Tensor out = zeros(kept, is_floating(input.dtype()) ? input.dtype() : DType::Int64);
  {
    const autograd::GradModeGuard no_grad(false);
    const Tensor rows = contiguous(permute(to(input, out.dtype()), order));
    const int64_t n = out.numel() == 0 ? 0 : rows.numel() / out.numel();
    dispatch_all(out.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      for (int64_t i = 0; i < out.numel(); ++i) {
        double total = 0;
        for (int64_t j = 0; j < n; ++j) total += static_cast<double>(rows.data<T>()[i * n + j]);
        out.data<T>()[i] = static_cast<T>(total);
      }
    });
  }
  if (autograd::recording(input))
    autograd::record(out, dims.empty() ? "SumBackward0" : "SumBackward1", {input}, {},
                     [from = input.sizes(), reduced](Node&, const Tensor& grad) -> Grads {
                       Dims ones = from;
                       for (size_t d = 0; d < from.size(); ++d)
                         if (reduced[d]) ones[d] = 1;
                       return {expand(reshape(grad, ones), from)};
                     });
  return out;
}

}  // namespace rushlight::ops

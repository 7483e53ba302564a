// Plain loops behind arithmetic.h and reduce.h until the kernels' owners replace them.
#include "rushlight/autograd/grad_arithmetic.h"
#include "rushlight/autograd/record.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/view.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

template <class F>
Tensor zip(const Tensor& a, const Tensor& b, const char* name, F f) {
  const DType dtype = result_type(a, b);
  const Dims sizes = broadcast_sizes(a.sizes(), b.sizes(), name);
  const autograd::GradModeGuard no_grad(false);
  const Tensor left = clone(expand(to(a, dtype), sizes));
  const Tensor right = contiguous(expand(to(b, dtype), sizes));
  Tensor out = Tensor::empty(sizes, dtype);
  const Tensor plain = contiguous(left);
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < out.numel(); ++i) out.data<T>()[i] = f(plain.data<T>()[i], right.data<T>()[i]);
  });
  return out;
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  Tensor out = zip(a, b, "add", [](auto x, auto y) { return static_cast<decltype(x)>(x + y); });
  if (autograd::recording(a, b))
    autograd::record(out, "AddBackward0", {a, b}, {},
                     [sa = a.sizes(), sb = b.sizes()](Node& node, const Tensor& grad) -> Grads {
                       return {node.needs(0) ? sum_to_size(grad, sa) : Tensor(),
                               node.needs(1) ? sum_to_size(grad, sb) : Tensor()};
                     });
  return out;
}

Tensor mul(const Tensor& a, const Tensor& b) {
  Tensor out = zip(a, b, "mul", [](auto x, auto y) { return static_cast<decltype(x)>(x * y); });
  if (autograd::recording(a, b))
    autograd::record(out, "MulBackward0", {a, b},
                     {autograd::save_if(b.requires_grad(), a), autograd::save_if(a.requires_grad(), b)},
                     [sa = a.sizes(), sb = b.sizes()](Node& node, const Tensor& grad) -> Grads {
                       return {node.needs(0) ? sum_to_size(mul(grad, node.saved(1)), sa) : Tensor(),
                               node.needs(1) ? sum_to_size(mul(grad, node.saved(0)), sb) : Tensor()};
                     });
  return out;
}

void add_raw(const Tensor& self, const Tensor& other) {
  const autograd::GradModeGuard no_grad(false);
  copy_into(self, add(self, other));
}

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

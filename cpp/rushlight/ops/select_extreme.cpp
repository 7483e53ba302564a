// max, min, argmax and argmin along a dimension.
#include "rushlight/autograd/record.h"
#include "rushlight/ops/gather.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/reduce_plan.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

ValuesIndices extreme_along(bool want_max, const char* name, const char* grad_name, const Tensor& input,
                            int64_t dim, bool keepdim) {
  const ReducePlan plan(input, {dim}, keepdim);
  plan.check_not_empty(name, true);
  ValuesIndices out{Tensor::empty(plan.sizes, input.dtype()), Tensor::empty(plan.sizes, DType::Int64)};
  const Access access = input.access();
  kernels::reduce_arg(want_max, input.dtype(), plan.layout(access), access.data, out.values.raw_data(),
                      out.indices.data<int64_t>());
  if (autograd::recording(input))
    autograd::record(out.values, grad_name, {input}, {out.indices},
                     [from = input.sizes(), dim, keepdim](Node& node, const Tensor& grad) -> Grads {
                       return {selected_backward(grad, from, dim, node.saved(0), keepdim)};
                     });
  return out;
}

Tensor arg_extreme(bool want_max, const char* name, const Tensor& input, OptionalDim dim, bool keepdim) {
  const ReducePlan plan(input, dim.has_value() ? Dims{*dim} : Dims{}, keepdim);
  plan.check_not_empty(name, true);
  Tensor out = Tensor::empty(plan.sizes, DType::Int64);
  const Access access = input.access();
  kernels::reduce_arg(want_max, input.dtype(), plan.layout(access), access.data, nullptr,
                      out.data<int64_t>());
  return out;
}

}  // namespace

ValuesIndices max(const Tensor& input, int64_t dim, bool keepdim) {
  return extreme_along(true, "max", "MaxBackward0", input, dim, keepdim);
}
ValuesIndices min(const Tensor& input, int64_t dim, bool keepdim) {
  return extreme_along(false, "min", "MinBackward0", input, dim, keepdim);
}
Tensor argmax(const Tensor& input, OptionalDim dim, bool keepdim) {
  return arg_extreme(true, "argmax", input, dim, keepdim);
}
Tensor argmin(const Tensor& input, OptionalDim dim, bool keepdim) {
  return arg_extreme(false, "argmin", input, dim, keepdim);
}

}  // namespace rushlight::ops

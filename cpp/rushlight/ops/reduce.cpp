#include "rushlight/ops/reduce.h"

#include <limits>

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/softmax/softmax.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/comparison.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/reduce_plan.h"
#include "rushlight/ops/ternary.h"
#include "rushlight/ops/unary.h"
#include "rushlight/ops/view.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::ops {

using autograd::Grads;
using autograd::Node;
using kernels::ReduceOp;

ReducePlan::ReducePlan(const Tensor& input, const Dims& dims, bool keepdim)
    : reduced(input.sizes().size(), dims.empty()), from(input.sizes()), all(dims.empty()) {
  bool named = false;  // a 0-d tensor accepts dim 0 once
  for (const int64_t dim : dims) {
    const int64_t d = wrap_dim(dim, input.dim());
    const bool repeated = input.dim() == 0 ? named : reduced[d];
    RUSHLIGHT_CHECK(!repeated, "dim ", d, " appears multiple times in the list of dims ", to_string(dims));
    if (input.dim() > 0) reduced[d] = true;
    named = true;
  }
  for (size_t d = 0; d < from.size(); ++d) {
    if (reduced[d]) count *= from[d];
    ones.push_back(reduced[d] ? 1 : from[d]);
    if (!reduced[d] || keepdim) sizes.push_back(ones.back());
  }
}

kernels::ReduceLayout ReducePlan::layout(const Access& input) const {
  kernels::ReduceLayout result;
  for (size_t d = 0; d < from.size(); ++d)
    (reduced[d] ? result.reduced : result.kept).push_back({from[d], {input.strides[d]}});
  return result;
}

Tensor ReducePlan::keep(const Tensor& result) const {
  return result.sizes() == ones ? result : reshape(result, ones);
}

void ReducePlan::check_not_empty(const char* op, bool one_dim) const {
  if (count > 0) return;
  if (all && !one_dim)
    RUSHLIGHT_CHECK(false, op,
                    "(): Expected reduction dim to be specified for input.numel() == 0, got input ",
                    to_string(from), ". Specify the reduction dim with the 'dim' argument.");
  RUSHLIGHT_CHECK_INDEX(!all, op,
                        "(): Expected reduction dim to be specified for input.numel() == 0, got input ",
                        to_string(from));
  for (size_t d = 0; d < from.size(); ++d)
    RUSHLIGHT_CHECK_INDEX(!reduced[d] || from[d] > 0, op, "(): Expected reduction dim ", d,
                          " to have non-zero size, got input ", to_string(from));
}

namespace {

Tensor run(ReduceOp op, const Tensor& input, const ReducePlan& plan, DType result) {
  Tensor out = Tensor::empty(plan.sizes, result);
  const Access access = input.access();
  kernels::reduce(op, input.dtype(), plan.layout(access), access.data, out.raw_data());
  return out;
}

// A type to reduce in: the values converted, outside the graph.
Tensor converted(const Tensor& input, DType dtype) {
  const autograd::GradModeGuard no_grad(false);
  return to(input, dtype);
}

// Every input element gets the gradient of its result.
Tensor spread(const Tensor& grad, const ReducePlan& plan, DType dtype) {
  return to(expand(plan.keep(grad), plan.from), dtype);
}

// Equal extremes share the gradient.
Tensor share(const Tensor& grad, const Tensor& input, const Tensor& result, const ReducePlan& plan) {
  Tensor mask;
  {
    const autograd::GradModeGuard no_grad(false);
    mask = to(eq(input, plan.keep(result)), input.dtype());
    Dims reduced;
    for (size_t d = 0; d < plan.reduced.size(); ++d)
      if (plan.reduced[d]) reduced.push_back(static_cast<int64_t>(d));
    if (!reduced.empty()) mask = div(mask, sum(mask, reduced, true));
  }
  return mul(plan.keep(grad), mask);
}

Tensor extreme(ReduceOp op, const char* name, const char* grad_name, const Tensor& input, const Dims& dims,
               bool keepdim) {
  const ReducePlan plan(input, dims, keepdim);
  plan.check_not_empty(name, false);
  Tensor out = run(op, input, plan, input.dtype());
  if (autograd::recording(input))
    autograd::record(out, grad_name, {input}, {input, autograd::SavedTensor::result(out)},
                     [plan](Node& node, const Tensor& grad) -> Grads {
                       return {share(grad, node.saved(0), node.saved(1), plan)};
                     });
  return out;
}

// PyTorch keeps uint8 here, for programs older than its bool.
Tensor quantified(ReduceOp op, const Tensor& input, const Dims& dims, bool keepdim) {
  Tensor out = run(op, input, ReducePlan(input, dims, keepdim), DType::Bool);
  return input.dtype() == DType::UInt8 ? to(out, DType::UInt8) : out;
}

}  // namespace

Tensor sum(const Tensor& input, const Dims& dims, bool keepdim, OptionalDType dtype) {
  const ReducePlan plan(input, dims, keepdim);
  const DType wanted = dtype.value_or(is_floating(input.dtype()) ? input.dtype() : DType::Int64);
  const bool as_is = wanted == input.dtype() || (is_integral(input.dtype()) && is_integral(wanted));
  const Tensor values = as_is ? input : converted(input, wanted);
  Tensor out = run(ReduceOp::Sum, values, plan, is_floating(wanted) ? wanted : DType::Int64);
  if (out.dtype() != wanted) out = to(out, wanted);
  if (autograd::recording(input) && is_floating(wanted))
    autograd::record(out, plan.all ? "SumBackward0" : "SumBackward1", {input}, {},
                     [plan, type = input.dtype()](Node&, const Tensor& grad) -> Grads {
                       return {spread(grad, plan, type)};
                     });
  return out;
}

Tensor mean(const Tensor& input, const Dims& dims, bool keepdim, OptionalDType dtype) {
  const DType wanted = dtype.value_or(input.dtype());
  RUSHLIGHT_CHECK(is_floating(wanted),
                  "mean(): could not infer output dtype: it must be a floating point type, got ",
                  dtype_name(wanted), ". Convert the input with .float(), or pass dtype=torch.float32.");
  const ReducePlan plan(input, dims, keepdim);
  Tensor out = run(ReduceOp::Mean, wanted == input.dtype() ? input : converted(input, wanted), plan, wanted);
  if (autograd::recording(input))
    autograd::record(out, plan.all ? "MeanBackward0" : "MeanBackward1", {input}, {},
                     [plan, type = input.dtype()](Node&, const Tensor& grad) -> Grads {
                       return {spread(div(grad, number_tensor(static_cast<double>(plan.count))), plan, type)};
                     });
  return out;
}

Tensor any(const Tensor& input, const Dims& dims, bool keepdim) {
  return quantified(ReduceOp::Any, input, dims, keepdim);
}
Tensor all(const Tensor& input, const Dims& dims, bool keepdim) {
  return quantified(ReduceOp::All, input, dims, keepdim);
}
Tensor amax(const Tensor& input, const Dims& dims, bool keepdim) {
  return extreme(ReduceOp::Max, "amax", "AmaxBackward0", input, dims, keepdim);
}
Tensor amin(const Tensor& input, const Dims& dims, bool keepdim) {
  return extreme(ReduceOp::Min, "amin", "AminBackward0", input, dims, keepdim);
}
Tensor max(const Tensor& input) { return extreme(ReduceOp::Max, "max", "MaxBackward1", input, {}, false); }
Tensor min(const Tensor& input) { return extreme(ReduceOp::Min, "min", "MinBackward1", input, {}, false); }

// log sum exp(x - m) + m with m the maximum, so that nothing overflows; infinite maxima are not subtracted.
// Whether the reduction runs over the trailing dimensions of a tensor in row-major order.
static bool is_rows(const Tensor& values, const ReducePlan& plan) {
  if (values.dtype() != DType::Float32 && values.dtype() != DType::Float64) return false;
  if (!is_contiguous(values.sizes(), values.strides())) return false;
  bool trailing = true;
  for (size_t d = plan.reduced.size(); d-- > 0;) {
    if (plan.reduced[d] && !trailing) return false;
    trailing = trailing && plan.reduced[d];
  }
  return true;
}

Tensor logsumexp(const Tensor& input, const Dims& dims, bool keepdim) {
  const Tensor values = is_floating(input.dtype()) ? input : to(input, default_dtype());
  const ReducePlan plan(values, dims, keepdim);
  Tensor out;
  {
    const autograd::GradModeGuard no_grad(false);
    if (values.numel() == 0) {
      out = log(sum(exp(values), dims, keepdim));
    } else if (is_rows(values, plan)) {
      out = Tensor::empty(plan.sizes, values.dtype());
      const Tensor plain = contiguous(values);
      kernels::logsumexp_rows(values.dtype(), values.numel() / plan.count, plan.count, plain.raw_data(),
                              out.raw_data());
    } else {
      Tensor top = amax(values, dims, true);
      top = masked_fill(top, eq(abs(top), number_tensor(std::numeric_limits<double>::infinity())),
                        number_tensor(0.0));
      out = add(log(sum(exp(sub(values, top)), dims, keepdim)), reshape(top, plan.sizes));
    }
  }
  if (autograd::recording(values))
    autograd::record(out, "LogsumexpBackward0", {values}, {values, autograd::SavedTensor::result(out)},
                     [plan](Node& node, const Tensor& grad) -> Grads {
                       return {mul(plan.keep(grad), exp(sub(node.saved(0), plan.keep(node.saved(1)))))};
                     });
  return out;
}

namespace {

// products[i] = product of all x but x[i], along the last dimension, right where elements are zero.
// Differentiable: the matrix with rows x and 1 on the diagonal is multiplied out, so it is meant for lines
// that hold a zero.
Tensor products_of_others(const Tensor& x) {
  const int64_t n = x.size(-1);
  Dims square = x.sizes();
  square.push_back(n);
  const Tensor rows = expand(unsqueeze(x, -2), square);
  Tensor diagonal_mask = zeros({n, n}, DType::Bool);
  copy_into(diagonal(diagonal_mask, 0, 0, 1), Tensor::scalar(int64_t{1}, DType::Bool));
  return prod(masked_fill(rows, diagonal_mask, number_tensor(1.0)), -1, false);
}

bool holds_zero(const Tensor& x) {
  const autograd::GradModeGuard no_grad(false);
  const Tensor found = any(eq(x, number_tensor(0.0)), {}, false);
  return *found.data<bool>();
}

}  // namespace

Tensor prod(const Tensor& input, OptionalDim dim, bool keepdim, OptionalDType dtype) {
  const ReducePlan plan(input, dim.has_value() ? Dims{*dim} : Dims{}, keepdim);
  const DType wanted = dtype.value_or(is_floating(input.dtype()) ? input.dtype() : DType::Int64);
  const bool as_is = wanted == input.dtype() || (is_integral(input.dtype()) && is_integral(wanted));
  const Tensor values = as_is ? input : converted(input, wanted);
  Tensor out = run(ReduceOp::Prod, values, plan, is_floating(wanted) ? wanted : DType::Int64);
  if (out.dtype() != wanted) out = to(out, wanted);
  if (autograd::recording(input) && is_floating(wanted))
    autograd::record(out, plan.all ? "ProdBackward0" : "ProdBackward1", {input},
                     {input, autograd::SavedTensor::result(out)},
                     [plan, along = dim.value_or(0)](Node& node, const Tensor& grad) -> Grads {
                       const Tensor x = node.saved(0);
                       if (!holds_zero(x)) return {div(mul(plan.keep(grad), plan.keep(node.saved(1))), x)};
                       if (x.dim() == 0) return {grad};
                       const Tensor line = plan.all ? reshape(x, {-1}) : movedim(x, {along}, {-1});
                       const Tensor others = products_of_others(line);
                       return {mul(plan.keep(grad),
                                   plan.all ? reshape(others, plan.from) : movedim(others, {-1}, {along}))};
                     });
  return out;
}

}  // namespace rushlight::ops

// Variances, standard deviations and norms.
#include <cmath>

#include "rushlight/autograd/record.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/comparison.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/reduce_plan.h"
#include "rushlight/ops/ternary.h"
#include "rushlight/ops/unary.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

Dims reduced_dims(const ReducePlan& plan) {
  Dims dims;
  for (size_t d = 0; d < plan.reduced.size(); ++d)
    if (plan.reduced[d]) dims.push_back(static_cast<int64_t>(d));
  return dims;
}

// grad * 2 (x - mean) / (count - correction)
Tensor var_backward(const Tensor& grad, const Tensor& x, const ReducePlan& plan, double correction) {
  const Dims dims = reduced_dims(plan);
  const Tensor centered = dims.empty() ? sub(x, x) : sub(x, mean(x, dims, true));
  const double scale = 2.0 / (static_cast<double>(plan.count) - correction);
  return mul(mul(plan.keep(grad), scale), centered);
}

Tensor spread_of(const char* name, const char* grad_name, const Tensor& input, const Dims& dims,
                 double correction, bool keepdim, bool root) {
  RUSHLIGHT_CHECK(is_floating(input.dtype()), name,
                  "(): std and var only support floating point dtypes, got ", dtype_name(input.dtype()));
  const ReducePlan plan(input, dims, keepdim);
  Tensor out = Tensor::empty(plan.sizes, input.dtype());
  const Access access = input.access();
  kernels::reduce_var(correction, root, input.dtype(), plan.layout(access), access.data, out.raw_data(),
                      nullptr);
  if (!autograd::recording(input)) return out;
  if (root) {
    // d std = d var / (2 std); nothing where std is 0.
    autograd::record(out, grad_name, {input}, {input, autograd::SavedTensor::result(out)},
                     [plan, correction](Node& node, const Tensor& grad) -> Grads {
                       const Tensor std = node.saved(1);
                       const Tensor slope = div(grad, mul(std, 2.0));
                       const Tensor safe =
                           masked_fill(slope, eq(std, number_tensor(0.0)), number_tensor(0.0));
                       return {var_backward(safe, node.saved(0), plan, correction)};
                     });
  } else {
    autograd::record(out, grad_name, {input}, {input},
                     [plan, correction](Node& node, const Tensor& grad) -> Grads {
                       return {var_backward(grad, node.saved(0), plan, correction)};
                     });
  }
  return out;
}

// The gradient of a p-norm. `grad` and `norm` broadcast against x.
Tensor norm_backward(const Tensor& grad, const Tensor& x, const Tensor& norm, double p, const Dims& dims) {
  const auto where_zero = [](const Tensor& values, const Tensor& test) {
    return masked_fill(values, eq(test, number_tensor(0.0)), number_tensor(0.0));
  };
  if (p == 0.0) return mul(x, 0.0);
  if (p == 1.0) return mul(sign(x), grad);
  if (p == 2.0) return mul(x, where_zero(div(grad, norm), norm));
  if (std::isinf(p)) {  // equal magnitudes share
    Tensor mask;
    {
      const autograd::GradModeGuard no_grad(false);
      mask = to(eq(abs(x), norm), x.dtype());
      if (!dims.empty()) mask = div(mask, sum(mask, dims, true));
    }
    return mul(mul(sign(x), mask), grad);
  }
  // sign(x) |x|^(p-1) grad / norm^(p-1)
  const Tensor power = mul(sign(x), pow(abs(x), number_tensor(p - 1.0)));
  const Tensor scale = where_zero(div(grad, pow(norm, number_tensor(p - 1.0))), norm);
  return where_zero(mul(power, scale), p < 1.0 ? x : norm);
}

}  // namespace

Tensor var(const Tensor& input, const Dims& dims, double correction, bool keepdim) {
  return spread_of("var", "VarBackward0", input, dims, correction, keepdim, false);
}
Tensor std(const Tensor& input, const Dims& dims, double correction, bool keepdim) {
  return spread_of("std", "StdBackward0", input, dims, correction, keepdim, true);
}

Tensor vector_norm(const Tensor& input, double p, const Dims& dims, bool keepdim) {
  RUSHLIGHT_CHECK(is_floating(input.dtype()),
                  "linalg.vector_norm: Expected a floating point tensor as input. Got ",
                  dtype_name(input.dtype()));
  const ReducePlan plan(input, dims, keepdim);
  RUSHLIGHT_CHECK(plan.count > 0 || (p >= 0.0 && !std::isinf(p)), "linalg.vector_norm cannot compute the ", p,
                  " norm on an empty tensor because the operation does not have an identity, got ",
                  to_string(input.sizes()));
  Tensor out = Tensor::empty(plan.sizes, input.dtype());
  const Access access = input.access();
  kernels::reduce_norm(p, input.dtype(), plan.layout(access), access.data, out.raw_data());
  if (autograd::recording(input))
    autograd::record(out, "LinalgVectorNormBackward0", {input}, {input, autograd::SavedTensor::result(out)},
                     [plan, p](Node& node, const Tensor& grad) -> Grads {
                       return {norm_backward(plan.keep(grad), node.saved(0), plan.keep(node.saved(1)), p,
                                             reduced_dims(plan))};
                     });
  return out;
}

}  // namespace rushlight::ops

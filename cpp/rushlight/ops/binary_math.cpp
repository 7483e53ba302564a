// Functions of two tensors: powers, extremes, angles.
#include <cmath>

#include "rushlight/autograd/record.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/comparison.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/ternary.h"
#include "rushlight/ops/unary.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::record;
using autograd::recording;
using autograd::save_if;

// Exponents that have a cheaper and more exact form than pow.
bool special_power(double exponent, bool floating, ElementwiseOp* op) {
  if (exponent == 2)
    *op = ElementwiseOp::Square;
  else if (exponent == 3)
    *op = ElementwiseOp::Cube;
  else if (floating && exponent == 0.5)
    *op = ElementwiseOp::Sqrt;
  else if (floating && exponent == -0.5)
    *op = ElementwiseOp::Rsqrt;
  else if (floating && exponent == -1)
    *op = ElementwiseOp::Reciprocal;
  else
    return false;
  return true;
}

Tensor pow_number(const Tensor& input, const Tensor& exponent, const Number& number, bool in_place) {
  const DType dtype = result_type(input, exponent);
  RUSHLIGHT_CHECK(is_floating(dtype) || number.integer >= 0,
                  "pow: Integers to negative integer powers are not allowed, got exponent ", number.integer,
                  " for a tensor of ", dtype_name(input.dtype()), ". Convert it to a floating type first");
  ElementwiseOp op = ElementwiseOp::Pow;
  const bool special = special_power(number.real, is_floating(dtype), &op);
  const auto [out, first, value] =
      special ? pointwise_result(in_place, {"pow", op, dtype, {&input}}, BackwardReads::First)
              : pointwise_result(in_place, {"pow", op, dtype, {&input, &exponent}}, BackwardReads::First);
  if (recording(first))
    record(out, "PowBackward0", {first}, {value}, [number](Node& node, const Tensor& grad) -> Grads {
      if (number.real == 0) return {zeros(grad.sizes(), grad.dtype())};
      const Tensor base = node.saved(0);
      if (number.real == 1) return {grad};
      const Number less = number.is_floating() ? Number(number.real - 1) : Number(number.integer - 1);
      const Tensor slope = less.real == 1 ? base : pow(base, number_tensor(less));
      return {mul(grad, mul(slope, number_tensor(number)))};
    });
  return out;
}

// d/da a^b = b a^(b - 1), and 0 where b is 0 (a may be 0 there).
Tensor pow_grad_base(const Tensor& grad, const Tensor& base, const Tensor& exponent) {
  const Tensor slope = mul(grad, mul(exponent, pow(base, sub(exponent, number_tensor(1)))));
  return where(eq(exponent, number_tensor(0)), number_tensor(0.0), slope);
}

// d/db a^b = a^b log(a), and 0 where a is 0 and b is not negative. The logarithm is never infinite where it
// is multiplied by 0, so that derivatives of this are numbers too.
Tensor pow_grad_exponent(const Tensor& grad, const Tensor& base, const Tensor& exponent,
                         const Tensor& result) {
  const Tensor zero = number_tensor(0);
  Number number;
  if (number_of(base, &number)) {
    const Tensor slope = number.real != 0
                             ? number_tensor(std::log(number.real))
                             : where(ge(exponent, zero), number_tensor(0.0), number_tensor(-HUGE_VAL));
    return mul(grad, mul(result, slope));
  }
  const Tensor vanishes = logical_and(eq(base, zero), ge(exponent, zero));
  return mul(grad, mul(result, log(where(vanishes, number_tensor(1.0), base))));
}

// maximum and minimum: the gradient goes to the larger operand, half to each where they are equal.
Tensor extreme(const char* op, const char* name, ElementwiseOp kernel,
               Tensor (*loses)(const Tensor&, const Tensor&), const Tensor& input, const Tensor& other) {
  const Tensor out = pointwise({op, kernel, result_type(input, other), {&input, &other}});
  if (recording(input, other))
    record(out, name, {input, other}, {input, other}, [loses](Node& node, const Tensor& grad) -> Grads {
      const Tensor a = node.saved(0);
      const Tensor b = node.saved(1);
      const Tensor zero = number_tensor(0.0);
      const Tensor shared = where(eq(a, b), mul(grad, number_tensor(0.5)), grad);
      return {node.needs(0) ? where(loses(a, b), zero, shared) : Tensor(),
              node.needs(1) ? where(loses(b, a), zero, shared) : Tensor()};
    });
  return out;
}

// fmax and fmin: a NaN always loses.
Tensor extreme_of_numbers(const char* op, const char* name, ElementwiseOp kernel,
                          Tensor (*wins)(const Tensor&, const Tensor&), const Tensor& input,
                          const Tensor& other) {
  const Tensor out = pointwise({op, kernel, result_type(input, other), {&input, &other}});
  if (recording(input, other))
    record(out, name, {input, other}, {input, other}, [wins](Node& node, const Tensor& grad) -> Grads {
      const Tensor a = node.saved(0);
      const Tensor b = node.saved(1);
      const Tensor first = logical_or(wins(a, b), ne(b, b));
      const Tensor zero = number_tensor(0.0);
      return {node.needs(0) ? where(first, grad, zero) : Tensor(),
              node.needs(1) ? where(first, zero, grad) : Tensor()};
    });
  return out;
}

}  // namespace

Tensor pow(const Tensor& input, const Tensor& exponent, bool in_place) {
  Number number;
  if (number_of(exponent, &number) && !input.impl()->wrapped_number)
    return pow_number(input, exponent, number, in_place);
  const DType dtype = result_type(input, exponent);
  RUSHLIGHT_CHECK_AS(NotImplementedError, dtype != DType::Bool, "pow: not implemented for bool");
  const auto [out, first, value] = pointwise_result(
      in_place, {"pow", ElementwiseOp::Pow, dtype, {&input, &exponent}}, BackwardReads::First);
  if (recording(first, exponent))
    record(out, input.impl()->wrapped_number ? "PowBackward2" : "PowBackward1", {first, exponent},
           {value, exponent,
            exponent.requires_grad() ? autograd::SavedTensor::result(out) : autograd::SavedTensor()},
           [](Node& node, const Tensor& grad) -> Grads {
             const Tensor base = node.saved(0);
             const Tensor power = node.saved(1);
             return {node.needs(0) ? pow_grad_base(grad, base, power) : Tensor(),
                     node.needs(1) ? pow_grad_exponent(grad, base, power, node.saved(2)) : Tensor()};
           });
  return out;
}

Tensor atan2(const Tensor& input, const Tensor& other, bool in_place) {
  const DType dtype = floating_type(result_type(input, other));
  const auto [out, first, value] = pointwise_result(
      in_place, {"atan2", ElementwiseOp::Atan2, dtype, {&input, &other}}, BackwardReads::First);
  if (recording(first, other))
    record(out, "Atan2Backward0", {first, other}, {value, other},
           [](Node& node, const Tensor& grad) -> Grads {
             const Tensor y = node.saved(0);
             const Tensor x = node.saved(1);
             const Tensor share = div(grad, add(mul(y, y), mul(x, x)));
             return {node.needs(0) ? mul(share, x) : Tensor(), node.needs(1) ? neg(mul(share, y)) : Tensor()};
           });
  return out;
}

Tensor maximum(const Tensor& input, const Tensor& other) {
  return extreme("maximum", "MaximumBackward0", ElementwiseOp::Maximum, &lt, input, other);
}
Tensor minimum(const Tensor& input, const Tensor& other) {
  return extreme("minimum", "MinimumBackward0", ElementwiseOp::Minimum, &gt, input, other);
}
Tensor fmax(const Tensor& input, const Tensor& other) {
  return extreme_of_numbers("fmax", "FmaxBackward0", ElementwiseOp::Fmax, &ge, input, other);
}
Tensor fmin(const Tensor& input, const Tensor& other) {
  return extreme_of_numbers("fmin", "FminBackward0", ElementwiseOp::Fmin, &le, input, other);
}

Tensor hypot(const Tensor& input, const Tensor& other, bool in_place) {
  const DType dtype = result_type(input, other);
  const auto [out, first, value] = pointwise_result(
      in_place, {"hypot", ElementwiseOp::Hypot, dtype, {&input, &other}}, BackwardReads::First);
  if (recording(first, other))
    record(out, "HypotBackward0", {first, other}, {value, other, autograd::SavedTensor::result(out)},
           [](Node& node, const Tensor& grad) -> Grads {
             const Tensor share = div(grad, node.saved(2));
             return {node.needs(0) ? mul(share, node.saved(0)) : Tensor(),
                     node.needs(1) ? mul(share, node.saved(1)) : Tensor()};
           });
  return out;
}

Tensor copysign(const Tensor& input, const Tensor& other, bool in_place) {
  const DType dtype = floating_type(result_type(input, other));
  const auto [out, first, value] = pointwise_result(
      in_place, {"copysign", ElementwiseOp::Copysign, dtype, {&input, &other}}, BackwardReads::First);
  if (recording(first, other))
    record(out, "CopysignBackward0", {first, other}, {value, autograd::SavedTensor::result(out)},
           [](Node& node, const Tensor& grad) -> Grads {
             const Tensor same_sign = mul(sign(node.saved(0)), sign(node.saved(1)));
             return {node.needs(0) ? mul(grad, same_sign) : Tensor(),
                     node.needs(1) ? zeros(grad.sizes(), grad.dtype()) : Tensor()};
           });
  return out;
}

Tensor logaddexp(const Tensor& input, const Tensor& other) {
  const DType dtype = result_type(input, other);
  const Tensor out = pointwise({"logaddexp", ElementwiseOp::LogAddExp, dtype, {&input, &other}});
  if (recording(input, other))
    record(out, "LogaddexpBackward0", {input, other}, {input, other},
           [](Node& node, const Tensor& grad) -> Grads {
             const Tensor difference = sub(node.saved(0), node.saved(1));
             return {node.needs(0) ? mul(grad, sigmoid(difference)) : Tensor(),
                     node.needs(1) ? mul(grad, sigmoid(neg(difference))) : Tensor()};
           });
  return out;
}

Tensor xlogy(const Tensor& input, const Tensor& other, bool in_place) {
  const DType dtype = floating_type(result_type(input, other));
  const auto [out, first, value] = pointwise_result(
      in_place, {"xlogy", ElementwiseOp::Xlogy, dtype, {&input, &other}}, BackwardReads::First);
  if (recording(first, other))
    record(out, "XlogyBackward0", {first, other}, {value, other},
           [](Node& node, const Tensor& grad) -> Grads {
             const Tensor x = node.saved(0);
             const Tensor y = node.saved(1);
             const Tensor zero = number_tensor(0.0);
             const Tensor vanishes = logical_and(eq(x, zero), le(y, zero));
             return {node.needs(0) ? where(vanishes, zero, mul(grad, log(y))) : Tensor(),
                     node.needs(1) ? div(mul(grad, x), y) : Tensor()};
           });
  return out;
}

}  // namespace rushlight::ops

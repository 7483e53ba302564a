#include "rushlight/ops/arithmetic.h"

#include "rushlight/autograd/record.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/unary.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::record;
using autograd::recording;
using autograd::save_if;

BackwardReads reads_if(bool wanted) { return wanted ? BackwardReads::First : BackwardReads::Others; }

void check_alpha(const char* op, DType dtype, const Number& alpha) {
  RUSHLIGHT_CHECK(
      is_floating(dtype) || !alpha.is_floating(), op,
      ": for integral input tensors, argument alpha must not be a floating point number, got alpha=",
      alpha.real);
  RUSHLIGHT_CHECK(dtype == DType::Bool || alpha.dtype != DType::Bool, op,
                  ": Boolean alpha only supported for Boolean results, got result type ", dtype_name(dtype));
}

Tensor scaled(const Tensor& tensor, const Number& factor) {
  if (factor.real == 1) return tensor;
  return factor.real == -1 ? neg(tensor) : mul(tensor, number_tensor(factor));
}

// input + alpha * other, recorded under `name`; what add and sub share.
Tensor add_scaled(const char* op, const char* name, const Tensor& input, const Tensor& other,
                  const Number& alpha, bool in_place) {
  const DType dtype = result_type(input, other);
  check_alpha(op, dtype, alpha);
  const ElementwiseOp kernel = alpha.real == 1    ? ElementwiseOp::Add
                               : alpha.real == -1 ? ElementwiseOp::Sub
                                                  : ElementwiseOp::AddScaled;
  const auto [out, first, value] =
      pointwise_result(in_place, {op, kernel, dtype, {&input, &other}, scalars_of(alpha)});
  if (recording(first, other))
    record(out, name, {first, other}, {}, [alpha](Node& node, const Tensor& grad) -> Grads {
      return {node.needs(0) ? grad : Tensor(), node.needs(1) ? scaled(grad, alpha) : Tensor()};
    });
  return out;
}

void check_no_bool(const Tensor& input, const Tensor& other) {
  RUSHLIGHT_CHECK(
      result_type(input, other) != DType::Bool,
      "sub: Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
      "`logical_xor()` operator instead.");
  RUSHLIGHT_CHECK(
      input.dtype() != DType::Bool && other.dtype() != DType::Bool,
      "sub: Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
      "invert a mask, use the `~` or `logical_not()` operator instead.");
}

Number negative(const Number& number) {
  return number.is_floating() ? Number(-number.real) : Number(-number.integer);
}

void check_divisor(const char* op, DType dtype, const Tensor& other) {
  if (is_floating(dtype) || is_floating(other.dtype())) return;
  const Access divisor = other.access();
  RUSHLIGHT_CHECK(!kernels::has_zero(static_cast<int>(other.dim()), other.sizes().data(),
                                     {divisor.data, divisor.strides.data(), other.dtype()}),
                  op, ": ZeroDivisionError: integer division by zero, divisor of type ",
                  dtype_name(other.dtype()), " and shape ", to_string(other.sizes()));
}

// Quotients to an integer: flat, so the gradient is zero.
Tensor rounded_quotient(const char* op, const Tensor& input, const Tensor& other, Rounding rounding,
                        bool in_place) {
  const DType dtype = result_type(input, other);
  RUSHLIGHT_CHECK_AS(NotImplementedError, dtype != DType::Bool, op, ": not implemented for bool");
  check_divisor(op, dtype, other);
  const ElementwiseOp kernel =
      rounding == Rounding::Floor ? ElementwiseOp::FloorDivide : ElementwiseOp::TruncDivide;
  const auto [out, first, value] = pointwise_result(in_place, {op, kernel, dtype, {&input, &other}});
  if (recording(first, other))
    record(out, "DivBackward2", {first, other}, {}, [](Node& node, const Tensor& grad) -> Grads {
      return {node.needs(0) ? zeros(grad.sizes(), grad.dtype()) : Tensor(),
              node.needs(1) ? zeros(grad.sizes(), grad.dtype()) : Tensor()};
    });
  return out;
}

// a - b * q with q the quotient rounded to an integer: slope 1 in a, -q in b.
Tensor modulus(const char* op, const char* name, ElementwiseOp kernel, Rounding rounding, const Tensor& input,
               const Tensor& other, bool in_place) {
  const DType dtype = result_type(input, other);
  RUSHLIGHT_CHECK_AS(NotImplementedError, dtype != DType::Bool, op, ": not implemented for bool");
  check_divisor(op, dtype, other);
  const auto [out, first, value] =
      pointwise_result(in_place, {op, kernel, dtype, {&input, &other}}, reads_if(other.requires_grad()));
  if (recording(first, other))
    record(out, name, {first, other},
           {save_if(other.requires_grad(), value), save_if(other.requires_grad(), other)},
           [rounding](Node& node, const Tensor& grad) -> Grads {
             Tensor grad_other;
             if (node.needs(1)) grad_other = neg(mul(grad, div(node.saved(0), node.saved(1), rounding)));
             return {node.needs(0) ? grad : Tensor(), grad_other};
           });
  return out;
}

}  // namespace

Tensor add(const Tensor& input, const Tensor& other, const Number& alpha, bool in_place) {
  return add_scaled("add", "AddBackward0", input, other, alpha, in_place);
}

Tensor sub(const Tensor& input, const Tensor& other, const Number& alpha, bool in_place) {
  check_no_bool(input, other);
  return add_scaled("sub", "SubBackward0", input, other, negative(alpha), in_place);
}

Tensor rsub(const Tensor& input, const Tensor& other, const Number& alpha) {
  check_no_bool(input, other);
  const DType dtype = result_type(input, other);
  check_alpha("rsub", dtype, alpha);
  const Number factor = negative(alpha);
  const ElementwiseOp kernel = factor.real == -1 ? ElementwiseOp::Sub : ElementwiseOp::AddScaled;
  const Tensor out = pointwise({"rsub", kernel, dtype, {&other, &input}, scalars_of(factor)});
  if (recording(input, other))
    record(out, other.impl()->wrapped_number ? "RsubBackward1" : "RsubBackward0", {input, other}, {},
           [factor](Node& node, const Tensor& grad) -> Grads {
             return {node.needs(0) ? scaled(grad, factor) : Tensor(), node.needs(1) ? grad : Tensor()};
           });
  return out;
}

Tensor mul(const Tensor& input, const Tensor& other, bool in_place) {
  const auto [out, first, value] =
      pointwise_result(in_place, {"mul", ElementwiseOp::Mul, result_type(input, other), {&input, &other}},
                       reads_if(other.requires_grad()));
  if (recording(first, other))
    record(out, "MulBackward0", {first, other},
           {save_if(other.requires_grad(), value), save_if(first.requires_grad(), other)},
           [](Node& node, const Tensor& grad) -> Grads {
             return {node.needs(0) ? mul(grad, node.saved(1)) : Tensor(),
                     node.needs(1) ? mul(grad, node.saved(0)) : Tensor()};
           });
  return out;
}

Tensor div(const Tensor& input, const Tensor& other, Rounding rounding, bool in_place) {
  if (rounding != Rounding::None) return rounded_quotient("div", input, other, rounding, in_place);
  const DType dtype = floating_type(result_type(input, other));
  const auto [out, first, value] = pointwise_result(
      in_place, {"div", ElementwiseOp::Div, dtype, {&input, &other}}, reads_if(other.requires_grad()));
  if (recording(first, other))
    record(out, "DivBackward0", {first, other}, {save_if(other.requires_grad(), value), other},
           [](Node& node, const Tensor& grad) -> Grads {
             const Tensor divisor = node.saved(1);
             const Tensor share = div(grad, divisor);
             Tensor grad_divisor;
             if (node.needs(1)) grad_divisor = neg(mul(share, div(node.saved(0), divisor)));
             return {node.needs(0) ? share : Tensor(), grad_divisor};
           });
  return out;
}

Tensor floor_divide(const Tensor& input, const Tensor& other, bool in_place) {
  return rounded_quotient("floor_divide", input, other, Rounding::Floor, in_place);
}

Tensor remainder(const Tensor& input, const Tensor& other, bool in_place) {
  const char* name = other.impl()->wrapped_number ? "RemainderBackward0" : "RemainderBackward1";
  return modulus("remainder", name, ElementwiseOp::Remainder, Rounding::Floor, input, other, in_place);
}

Tensor fmod(const Tensor& input, const Tensor& other, bool in_place) {
  const char* name = other.impl()->wrapped_number ? "FmodBackward0" : "FmodBackward1";
  return modulus("fmod", name, ElementwiseOp::Fmod, Rounding::Trunc, input, other, in_place);
}

void add_raw(const Tensor& self, const Tensor& other) {
  pointwise_into(self, {"add", ElementwiseOp::Add, self.dtype(), {&self, &other}});
}

}  // namespace rushlight::ops

#include "rushlight/ops/comparison.h"

#include <cmath>
#include <cstring>

#include "rushlight/autograd/grad_mode.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/unary.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::ops {
namespace {

bool is_shift(ElementwiseOp op) { return op == ElementwiseOp::ShiftLeft || op == ElementwiseOp::ShiftRight; }

bool is_bitwise(ElementwiseOp op) {
  return op == ElementwiseOp::BitwiseAnd || op == ElementwiseOp::BitwiseOr || op == ElementwiseOp::BitwiseXor;
}

bool all_true(const Tensor& mask) {
  const Tensor plain = contiguous(mask);
  const auto count = static_cast<size_t>(plain.numel());
  return std::memchr(plain.raw_data(), 0, count) == nullptr;
}

}  // namespace

const std::vector<RelationRule>& relation_rules() {
  using Op = ElementwiseOp;
  static const std::vector<RelationRule> all = {
      {"eq", Op::Eq, "input == other, element by element."},
      {"ne", Op::Ne, "input != other, element by element."},
      {"lt", Op::Lt, "input < other, element by element."},
      {"le", Op::Le, "input <= other, element by element."},
      {"gt", Op::Gt, "input > other, element by element."},
      {"ge", Op::Ge, "input >= other, element by element."},
      {"logical_and", Op::LogicalAnd, "Whether both elements are non-zero."},
      {"logical_or", Op::LogicalOr, "Whether one element at least is non-zero."},
      {"logical_xor", Op::LogicalXor, "Whether exactly one element is non-zero."},
      {"bitwise_and", Op::BitwiseAnd, "The bits set in both integers; logical and of bools."},
      {"bitwise_or", Op::BitwiseOr, "The bits set in one integer at least; logical or of bools."},
      {"bitwise_xor", Op::BitwiseXor, "The bits set in exactly one integer; logical xor of bools."},
      {"bitwise_left_shift", Op::ShiftLeft, "input * 2**other, dropping bits beyond the type."},
      {"bitwise_right_shift", Op::ShiftRight, "input // 2**other."},
  };
  return all;
}

Tensor relation(const RelationRule& rule, const Tensor& input, const Tensor& other, bool in_place) {
  const DType dtype = result_type(input, other);
  RUSHLIGHT_CHECK_AS(NotImplementedError, !(is_bitwise(rule.op) || is_shift(rule.op)) || !is_floating(dtype),
                     rule.name, ": defined on integers and bool only, got ", dtype_name(input.dtype()),
                     " and ", dtype_name(other.dtype()), " (promoted to Float: ", dtype_name(dtype), ")");
  RUSHLIGHT_CHECK_AS(NotImplementedError, !is_shift(rule.op) || dtype != DType::Bool, rule.name,
                     ": not implemented for bool");
  const auto width = static_cast<int64_t>(8 * dtype_size(dtype));
  return pointwise_result(in_place, {rule.name, rule.op, dtype, {&input, &other}, scalars_of(width)}).out;
}

Tensor eq(const Tensor& a, const Tensor& b) {
  return pointwise({"eq", ElementwiseOp::Eq, result_type(a, b), {&a, &b}});
}
Tensor ne(const Tensor& a, const Tensor& b) {
  return pointwise({"ne", ElementwiseOp::Ne, result_type(a, b), {&a, &b}});
}
Tensor lt(const Tensor& a, const Tensor& b) {
  return pointwise({"lt", ElementwiseOp::Lt, result_type(a, b), {&a, &b}});
}
Tensor le(const Tensor& a, const Tensor& b) {
  return pointwise({"le", ElementwiseOp::Le, result_type(a, b), {&a, &b}});
}
Tensor gt(const Tensor& a, const Tensor& b) {
  return pointwise({"gt", ElementwiseOp::Gt, result_type(a, b), {&a, &b}});
}
Tensor ge(const Tensor& a, const Tensor& b) {
  return pointwise({"ge", ElementwiseOp::Ge, result_type(a, b), {&a, &b}});
}
Tensor logical_and(const Tensor& a, const Tensor& b) {
  return pointwise({"logical_and", ElementwiseOp::LogicalAnd, result_type(a, b), {&a, &b}});
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return pointwise({"logical_or", ElementwiseOp::LogicalOr, result_type(a, b), {&a, &b}});
}
Tensor logical_xor(const Tensor& a, const Tensor& b) {
  return pointwise({"logical_xor", ElementwiseOp::LogicalXor, result_type(a, b), {&a, &b}});
}

Tensor isclose(const Tensor& input, const Tensor& other, double rtol, double atol, bool equal_nan) {
  RUSHLIGHT_CHECK(input.dtype() == other.dtype(), "isclose: expected operands of one type, got ",
                  dtype_name(input.dtype()), " and ", dtype_name(other.dtype()));
  RUSHLIGHT_CHECK(rtol >= 0, "isclose: rtol must be greater than or equal to zero, but got ", rtol);
  RUSHLIGHT_CHECK(atol >= 0, "isclose: atol must be greater than or equal to zero, but got ", atol);
  const autograd::GradModeGuard no_grad(false);
  Tensor close = eq(input, other);
  if (equal_nan && is_floating(input.dtype()))
    close = logical_or(close, logical_and(ne(input, input), ne(other, other)));
  if (rtol == 0 && atol == 0) return close;
  const Tensor a = input.dtype() == DType::Bool ? to(input, DType::Int64) : input;
  const Tensor b = input.dtype() == DType::Bool ? to(other, DType::Int64) : other;
  const Tensor allowed = add(abs(mul(number_tensor(rtol), b)), number_tensor(atol));
  const Tensor difference = abs(sub(a, b));
  const Tensor near = logical_and(le(difference, allowed), lt(difference, number_tensor(HUGE_VAL)));
  return logical_or(close, near);
}

bool allclose(const Tensor& input, const Tensor& other, double rtol, double atol, bool equal_nan) {
  return all_true(isclose(input, other, rtol, atol, equal_nan));
}

bool equal(const Tensor& input, const Tensor& other) {
  return input.sizes() == other.sizes() && all_true(eq(input, other));
}

}  // namespace rushlight::ops

#include "rushlight/ops/unary.h"

#include <cmath>

#include "rushlight/autograd/record.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/unary_rules.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::record;
using autograd::recording;

// isnan and its kin have one answer for all integers.
Tensor integer_predicate(const UnaryRule& rule, const Tensor& input) {
  const bool answer = rule.op == ElementwiseOp::IsFinite;
  return full(input.sizes(), answer ? 1.0 : 0.0, DType::Bool);
}

bool is_float_predicate(ElementwiseOp op) {
  return op == ElementwiseOp::IsNan || op == ElementwiseOp::IsInf || op == ElementwiseOp::IsFinite;
}

}  // namespace

Tensor unary(const UnaryRule& rule, const Tensor& input, bool in_place) {
  DType dtype = input.dtype();
  if (is_integral(dtype)) {
    if (is_float_predicate(rule.op)) return integer_predicate(rule, input);
    RUSHLIGHT_CHECK_AS(NotImplementedError, rule.integers != Integers::Refuse, rule.name,
                       ": not implemented for ", dtype_name(dtype));
    RUSHLIGHT_CHECK(dtype != DType::Bool || (rule.op != ElementwiseOp::Neg && rule.op != ElementwiseOp::Relu),
                    rule.name,
                    ": not supported on a bool tensor. To invert a mask, use the `~` or `logical_not()` "
                    "operator instead.");
    if (rule.integers == Integers::Copy) return in_place ? input : clone(input);
    if (rule.integers == Integers::ToFloat) dtype = default_dtype();
  }
  // ~ of a bool is its negation, not the negation of its byte.
  const bool flips_bool = rule.op == ElementwiseOp::BitwiseNot && dtype == DType::Bool;
  const ElementwiseOp op = flips_bool ? ElementwiseOp::LogicalNot : rule.op;
  const BackwardReads reads = rule.saves == Saves::Input ? BackwardReads::First : BackwardReads::Others;
  const auto [out, first, value] = pointwise_result(in_place, {rule.name, op, dtype, {&input}}, reads);
  if (rule.grad_name == nullptr || !recording(first)) return out;
  autograd::SavedTensor saved;
  if (rule.saves == Saves::Input) saved = value;
  if (rule.saves == Saves::Result) saved = autograd::SavedTensor::result(out);
  record(out, rule.grad_name, {first}, {saved}, [&rule](Node& node, const Tensor& grad) -> Grads {
    return {rule.backward(grad, rule.saves == Saves::Nothing ? Tensor() : node.saved(0))};
  });
  return out;
}

Tensor neg(const Tensor& input) { return unary(kNeg, input); }
Tensor abs(const Tensor& input) { return unary(kAbs, input); }
Tensor sign(const Tensor& input) { return unary(kSign, input); }
Tensor sqrt(const Tensor& input) { return unary(kSqrt, input); }
Tensor rsqrt(const Tensor& input) { return unary(kRsqrt, input); }
Tensor reciprocal(const Tensor& input) { return unary(kReciprocal, input); }
Tensor exp(const Tensor& input) { return unary(kExp, input); }
Tensor erf(const Tensor& input) { return unary(kErf, input); }
Tensor log(const Tensor& input) { return unary(kLog, input); }
Tensor sin(const Tensor& input) { return unary(kSin, input); }
Tensor cos(const Tensor& input) { return unary(kCos, input); }
Tensor sinh(const Tensor& input) { return unary(kSinh, input); }
Tensor cosh(const Tensor& input) { return unary(kCosh, input); }
Tensor tanh(const Tensor& input) { return unary(kTanh, input); }
Tensor sigmoid(const Tensor& input) { return unary(kSigmoid, input); }
Tensor logical_not(const Tensor& input) { return unary(kLogicalNot, input); }
Tensor relu(const Tensor& input, bool in_place) { return unary(kRelu, input, in_place); }

Tensor bitwise_not(const Tensor& input) { return unary(kBitwiseNot, input); }
Tensor square(const Tensor& input, bool in_place) { return pow(input, number_tensor(2), in_place); }

Tensor round(const Tensor& input, int64_t decimals, bool in_place) {
  if (decimals == 0) return unary(kRound, input, in_place);
  RUSHLIGHT_CHECK_AS(NotImplementedError, is_floating(input.dtype()), "round: decimals=", decimals,
                     " is not implemented for ", dtype_name(input.dtype()));
  const double scale = std::pow(10.0, std::abs(static_cast<double>(decimals)));
  const ElementwiseScalars scalars = decimals > 0 ? scalars_of(scale, 1.0) : scalars_of(1.0, scale);
  const auto [out, first, value] =
      pointwise_result(in_place, {"round", ElementwiseOp::RoundDecimals, input.dtype(), {&input}, scalars});
  if (recording(first))
    record(out, "RoundBackward1", {first}, {},
           [](Node&, const Tensor& grad) -> Grads { return {zeros(grad.sizes(), grad.dtype())}; });
  return out;
}

}  // namespace rushlight::ops

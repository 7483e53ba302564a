#include "rushlight/ops/unary_rules.h"

#include "rushlight/autograd/grad_mode.h"
#include "rushlight/ops/activation.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"

namespace rushlight::ops {
namespace {

constexpr double kLn2 = 0.69314718055994530942;
constexpr double kLn10 = 2.30258509299404568402;
constexpr double kErfSlope = 1.12837916709551257390;  // 2 / sqrt(pi)

Tensor one_minus(const Tensor& tensor) { return sub(number_tensor(1), tensor); }
// The gradient of a step function
Tensor flat(const Tensor& grad) { return zeros(grad.sizes(), grad.dtype()); }

// One pass where nothing is recorded; else the formula, from which second derivatives follow.
Tensor tanh_backward(const Tensor& grad, const Tensor& y) {
  if (autograd::grad_enabled()) return mul(grad, one_minus(mul(y, y)));
  return pointwise({"tanh", ElementwiseOp::TanhBackward, y.dtype(), {&grad, &y}});
}
Tensor sigmoid_backward(const Tensor& grad, const Tensor& y) {
  if (autograd::grad_enabled()) return mul(mul(grad, one_minus(y)), y);
  return pointwise({"sigmoid", ElementwiseOp::SigmoidBackward, y.dtype(), {&grad, &y}});
}

}  // namespace

// clang-format off
const UnaryRule kNeg{"neg", "NegBackward0", ElementwiseOp::Neg, Integers::Keep, Saves::Nothing,
    [](const Tensor& grad, const Tensor&) { return neg(grad); },
    "The negative of every element."};
const UnaryRule kAbs{"abs", "AbsBackward0", ElementwiseOp::Abs, Integers::Keep, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return mul(grad, sign(x)); },
    "The absolute value of every element."};
const UnaryRule kSign{"sign", "SignBackward0", ElementwiseOp::Sign, Integers::Keep, Saves::Nothing,
    [](const Tensor& grad, const Tensor&) { return flat(grad); },
    "-1, 0 or 1 by the sign of every element; 0 for NaN."};
const UnaryRule kReciprocal{"reciprocal", "ReciprocalBackward0", ElementwiseOp::Reciprocal,
    Integers::ToFloat, Saves::Result,
    [](const Tensor& grad, const Tensor& y) { return neg(mul(grad, mul(y, y))); },
    "1 / x."};
const UnaryRule kSqrt{"sqrt", "SqrtBackward0", ElementwiseOp::Sqrt, Integers::ToFloat, Saves::Result,
    [](const Tensor& grad, const Tensor& y) { return div(grad, mul(y, 2.0)); },
    "The square root; NaN below zero."};
const UnaryRule kRsqrt{"rsqrt", "RsqrtBackward0", ElementwiseOp::Rsqrt, Integers::ToFloat, Saves::Result,
    [](const Tensor& grad, const Tensor& y) { return mul(mul(grad, -0.5), mul(mul(y, y), y)); },
    "1 / sqrt(x)."};
const UnaryRule kExp{"exp", "ExpBackward0", ElementwiseOp::Exp, Integers::ToFloat, Saves::Result,
    [](const Tensor& grad, const Tensor& y) { return mul(grad, y); },
    "e to the power of every element."};
const UnaryRule kExp2{"exp2", "Exp2Backward0", ElementwiseOp::Exp2, Integers::ToFloat, Saves::Result,
    [](const Tensor& grad, const Tensor& y) { return mul(mul(grad, y), kLn2); },
    "2 to the power of every element."};
const UnaryRule kExpm1{"expm1", "Expm1Backward0", ElementwiseOp::Expm1, Integers::ToFloat, Saves::Result,
    [](const Tensor& grad, const Tensor& y) { return mul(grad, add(y, 1.0)); },
    "exp(x) - 1, exact near zero."};
const UnaryRule kLog{"log", "LogBackward0", ElementwiseOp::Log, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return div(grad, x); },
    "The natural logarithm; NaN below zero."};
const UnaryRule kLog2{"log2", "Log2Backward0", ElementwiseOp::Log2, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return div(grad, mul(x, kLn2)); },
    "The logarithm to base 2."};
const UnaryRule kLog10{"log10", "Log10Backward0", ElementwiseOp::Log10, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return div(grad, mul(x, kLn10)); },
    "The logarithm to base 10."};
const UnaryRule kLog1p{"log1p", "Log1PBackward0", ElementwiseOp::Log1p, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return div(grad, add(x, 1.0)); },
    "log(1 + x), exact near zero."};
const UnaryRule kSin{"sin", "SinBackward0", ElementwiseOp::Sin, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return mul(grad, cos(x)); },
    "The sine of every element, in radians."};
const UnaryRule kCos{"cos", "CosBackward0", ElementwiseOp::Cos, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return mul(grad, neg(sin(x))); },
    "The cosine of every element, in radians."};
const UnaryRule kTan{"tan", "TanBackward0", ElementwiseOp::Tan, Integers::ToFloat, Saves::Result,
    [](const Tensor& grad, const Tensor& y) { return mul(grad, add(mul(y, y), 1.0)); },
    "The tangent of every element, in radians."};
const UnaryRule kAsin{"asin", "AsinBackward0", ElementwiseOp::Asin, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return mul(grad, rsqrt(one_minus(mul(x, x)))); },
    "The inverse sine; NaN outside [-1, 1]."};
const UnaryRule kAcos{"acos", "AcosBackward0", ElementwiseOp::Acos, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return neg(mul(grad, rsqrt(one_minus(mul(x, x))))); },
    "The inverse cosine; NaN outside [-1, 1]."};
const UnaryRule kAtan{"atan", "AtanBackward0", ElementwiseOp::Atan, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return div(grad, add(mul(x, x), 1.0)); },
    "The inverse tangent."};
const UnaryRule kSinh{"sinh", "SinhBackward0", ElementwiseOp::Sinh, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return mul(grad, cosh(x)); },
    "The hyperbolic sine."};
const UnaryRule kCosh{"cosh", "CoshBackward0", ElementwiseOp::Cosh, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return mul(grad, sinh(x)); },
    "The hyperbolic cosine."};
const UnaryRule kTanh{"tanh", "TanhBackward0", ElementwiseOp::Tanh, Integers::ToFloat, Saves::Result,
    [](const Tensor& grad, const Tensor& y) { return tanh_backward(grad, y); },
    "The hyperbolic tangent."};
const UnaryRule kAsinh{"asinh", "AsinhBackward0", ElementwiseOp::Asinh, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return mul(grad, rsqrt(add(mul(x, x), 1.0))); },
    "The inverse hyperbolic sine."};
const UnaryRule kAcosh{"acosh", "AcoshBackward0", ElementwiseOp::Acosh, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return mul(grad, rsqrt(add(mul(x, x), -1.0))); },
    "The inverse hyperbolic cosine; NaN below 1."};
const UnaryRule kAtanh{"atanh", "AtanhBackward0", ElementwiseOp::Atanh, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return div(grad, one_minus(mul(x, x))); },
    "The inverse hyperbolic tangent; NaN outside [-1, 1]."};
const UnaryRule kErf{"erf", "ErfBackward0", ElementwiseOp::Erf, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return mul(mul(grad, kErfSlope), exp(neg(mul(x, x)))); },
    "The error function."};
const UnaryRule kErfc{"erfc", "ErfcBackward0", ElementwiseOp::Erfc, Integers::ToFloat, Saves::Input,
    [](const Tensor& grad, const Tensor& x) { return mul(mul(grad, -kErfSlope), exp(neg(mul(x, x)))); },
    "The complementary error function, 1 - erf(x)."};
const UnaryRule kSigmoid{"sigmoid", "SigmoidBackward0", ElementwiseOp::Sigmoid,
    Integers::ToFloat, Saves::Result,
    [](const Tensor& grad, const Tensor& y) { return sigmoid_backward(grad, y); },
    "1 / (1 + exp(-x))."};
const UnaryRule kRelu{"relu", "ReluBackward0", ElementwiseOp::Relu, Integers::Keep, Saves::Result,
    [](const Tensor& grad, const Tensor& y) { return relu_backward(grad, y); },
    "max(x, 0); NaN stays NaN."};
const UnaryRule kFloor{"floor", "FloorBackward0", ElementwiseOp::Floor, Integers::Copy, Saves::Nothing,
    [](const Tensor& grad, const Tensor&) { return flat(grad); },
    "The largest integer not above each element."};
const UnaryRule kCeil{"ceil", "CeilBackward0", ElementwiseOp::Ceil, Integers::Copy, Saves::Nothing,
    [](const Tensor& grad, const Tensor&) { return flat(grad); },
    "The smallest integer not below each element."};
const UnaryRule kTrunc{"trunc", "TruncBackward0", ElementwiseOp::Trunc, Integers::Copy, Saves::Nothing,
    [](const Tensor& grad, const Tensor&) { return flat(grad); },
    "The integer part, towards zero."};
const UnaryRule kRound{"round", "RoundBackward0", ElementwiseOp::Round, Integers::Copy, Saves::Nothing,
    [](const Tensor& grad, const Tensor&) { return flat(grad); },
    "The nearest integer, half to even."};
const UnaryRule kFrac{"frac", "FracBackward0", ElementwiseOp::Frac, Integers::Refuse, Saves::Nothing,
    [](const Tensor& grad, const Tensor&) { return grad; },
    "x - trunc(x)."};
const UnaryRule kIsnan{"isnan", nullptr, ElementwiseOp::IsNan, Integers::Keep, Saves::Nothing,
    nullptr,
    "Whether each element is NaN."};
const UnaryRule kIsinf{"isinf", nullptr, ElementwiseOp::IsInf, Integers::Keep, Saves::Nothing,
    nullptr,
    "Whether each element is infinite."};
const UnaryRule kIsfinite{"isfinite", nullptr, ElementwiseOp::IsFinite, Integers::Keep, Saves::Nothing,
    nullptr,
    "Whether each element is neither infinite nor NaN."};
const UnaryRule kSignbit{"signbit", nullptr, ElementwiseOp::Signbit, Integers::Keep, Saves::Nothing,
    nullptr,
    "Whether the sign bit is set: negative, -0.0 included."};
const UnaryRule kLogicalNot{"logical_not", nullptr, ElementwiseOp::LogicalNot, Integers::Keep, Saves::Nothing,
    nullptr,
    "Whether each element is zero."};
const UnaryRule kBitwiseNot{"bitwise_not", nullptr, ElementwiseOp::BitwiseNot, Integers::Keep, Saves::Nothing,
    nullptr,
    "Every bit flipped; bool is negated."};

// clang-format on

const std::vector<const UnaryRule*>& unary_rules() {
  static const std::vector<const UnaryRule*> all = {
      &kNeg,   &kAbs,  &kSign,  &kReciprocal, &kSqrt,     &kRsqrt,   &kExp,        &kExp2,
      &kExpm1, &kLog,  &kLog2,  &kLog10,      &kLog1p,    &kSin,     &kCos,        &kTan,
      &kAsin,  &kAcos, &kAtan,  &kSinh,       &kCosh,     &kTanh,    &kAsinh,      &kAcosh,
      &kAtanh, &kErf,  &kErfc,  &kSigmoid,    &kRelu,     &kFloor,   &kCeil,       &kTrunc,
      &kRound, &kFrac, &kIsnan, &kIsinf,      &kIsfinite, &kSignbit, &kLogicalNot, &kBitwiseNot};
  return all;
}

}  // namespace rushlight::ops

#include "rushlight/ops/activation.h"

#include <cmath>

#include "rushlight/autograd/record.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/comparison.h"
#include "rushlight/ops/ternary.h"
#include "rushlight/ops/unary.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::record;
using autograd::recording;
using Op = ElementwiseOp;

// The gradient as a formula of differentiable ops, for second derivatives.
using Formula = Tensor (*)(const Tensor& grad, const Tensor& x, const ElementwiseScalars& scalars);

struct Activation {
  const char* name;
  const char* grad_name;
  Op forward;
  Op backward;
  Formula formula;
};

// Backward reads the input: one fused pass, or the formula when second derivatives are wanted.
Tensor activate(const Activation& a, const Tensor& input, const ElementwiseScalars& scalars, bool in_place) {
  RUSHLIGHT_CHECK_AS(NotImplementedError, is_floating(input.dtype()), a.name, ": not implemented for ",
                     dtype_name(input.dtype()));
  const auto [out, first, value] =
      pointwise_result(in_place, {a.name, a.forward, input.dtype(), {&input}, scalars}, BackwardReads::First);
  if (recording(first))
    record(out, a.grad_name, {first}, {value}, [a, scalars](Node& node, const Tensor& grad) -> Grads {
      const Tensor x = node.saved(0);
      if (autograd::grad_enabled()) return {a.formula(grad, x, scalars)};
      return {pointwise({a.name, a.backward, x.dtype(), {&grad, &x}, scalars})};
    });
  return out;
}

Tensor number(double value) { return number_tensor(value); }
Tensor one_minus(const Tensor& x) { return sub(number(1), x); }
Tensor select(const Tensor& condition, const Tensor& a, double b) { return where(condition, a, number(b)); }
Tensor above(const Tensor& x, double bound) { return gt(x, number(bound)); }

Tensor leaky_relu_formula(const Tensor& grad, const Tensor& x, const ElementwiseScalars& s) {
  return where(above(x, 0), grad, mul(grad, s.real[0]));
}
Tensor elu_formula(const Tensor& grad, const Tensor& x, const ElementwiseScalars& s) {
  const Tensor negative = mul(exp(mul(x, s.real[2])), s.real[0] * s.real[2]);
  return mul(grad, where(above(x, 0), number(s.real[1]), negative));
}
Tensor hardtanh_formula(const Tensor& grad, const Tensor& x, const ElementwiseScalars& s) {
  return select(logical_and(above(x, s.real[0]), lt(x, number(s.real[1]))), grad, 0);
}
Tensor hardswish_formula(const Tensor& grad, const Tensor& x, const ElementwiseScalars&) {
  const Tensor inside = mul(grad, add(mul(x, 1.0 / 3), 0.5));
  return select(above(x, -3), where(lt(x, number(3)), inside, grad), 0);
}
Tensor hardsigmoid_formula(const Tensor& grad, const Tensor& x, const ElementwiseScalars&) {
  return select(logical_and(above(x, -3), lt(x, number(3))), mul(grad, 1.0 / 6), 0);
}
Tensor silu_formula(const Tensor& grad, const Tensor& x, const ElementwiseScalars&) {
  const Tensor s = sigmoid(x);
  return mul(grad, mul(s, add(mul(x, one_minus(s)), 1.0)));
}
Tensor mish_formula(const Tensor& grad, const Tensor& x, const ElementwiseScalars&) {
  const Tensor w = tanh(softplus(x, 1, 20));
  return mul(grad, add(w, mul(mul(x, sigmoid(x)), one_minus(mul(w, w)))));
}
Tensor gelu_formula(const Tensor& grad, const Tensor& x, const ElementwiseScalars&) {
  const Tensor cdf = mul(add(erf(mul(x, std::sqrt(0.5))), 1.0), 0.5);
  const Tensor pdf = mul(exp(mul(mul(x, x), -0.5)), 0.39894228040143267794);  // 1 / sqrt(2 pi)
  return mul(grad, add(cdf, mul(x, pdf)));
}
Tensor gelu_tanh_formula(const Tensor& grad, const Tensor& x, const ElementwiseScalars&) {
  constexpr double scale = 0.79788456080286535588;  // sqrt(2 / pi)
  constexpr double cubic = 0.044715;
  const Tensor square = mul(x, x);
  const Tensor t = tanh(mul(mul(x, add(mul(square, cubic), 1.0)), scale));
  const Tensor slope = mul(mul(one_minus(mul(t, t)), add(mul(square, 3 * cubic), 1.0)), scale);
  return mul(grad, mul(add(add(t, 1.0), mul(x, slope)), 0.5));
}
Tensor softplus_formula(const Tensor& grad, const Tensor& x, const ElementwiseScalars& s) {
  const Tensor scaled = mul(x, s.real[0]);
  return where(above(scaled, s.real[1]), grad, mul(grad, sigmoid(scaled)));
}
Tensor logsigmoid_formula(const Tensor& grad, const Tensor& x, const ElementwiseScalars&) {
  return mul(grad, sigmoid(neg(x)));
}

}  // namespace

Tensor leaky_relu(const Tensor& input, double negative_slope, bool in_place) {
  static const Activation a{"leaky_relu", "LeakyReluBackward0", Op::LeakyRelu, Op::LeakyReluBackward,
                            leaky_relu_formula};
  return activate(a, input, scalars_of(negative_slope), in_place);
}

Tensor elu(const Tensor& input, double alpha, double scale, double input_scale, bool in_place) {
  static const Activation a{"elu", "EluBackward0", Op::Elu, Op::EluBackward, elu_formula};
  return activate(a, input, scalars_of(alpha * scale, scale, input_scale), in_place);
}

Tensor hardtanh(const Tensor& input, double min_val, double max_val, bool in_place) {
  RUSHLIGHT_CHECK(min_val <= max_val, "hardtanh: min_val must not be greater than max_val, got ", min_val,
                  " and ", max_val);
  static const Activation a{"hardtanh", "HardtanhBackward0", Op::Clamp, Op::HardtanhBackward,
                            hardtanh_formula};
  return activate(a, input, scalars_of(min_val, max_val), in_place);
}

Tensor hardswish(const Tensor& input, bool in_place) {
  static const Activation a{"hardswish", "HardswishBackward0", Op::Hardswish, Op::HardswishBackward,
                            hardswish_formula};
  return activate(a, input, {}, in_place);
}

Tensor hardsigmoid(const Tensor& input, bool in_place) {
  static const Activation a{"hardsigmoid", "HardsigmoidBackward0", Op::Hardsigmoid, Op::HardsigmoidBackward,
                            hardsigmoid_formula};
  return activate(a, input, {}, in_place);
}

Tensor silu(const Tensor& input, bool in_place) {
  static const Activation a{"silu", "SiluBackward0", Op::Silu, Op::SiluBackward, silu_formula};
  return activate(a, input, {}, in_place);
}

Tensor mish(const Tensor& input, bool in_place) {
  static const Activation a{"mish", "MishBackward0", Op::Mish, Op::MishBackward, mish_formula};
  return activate(a, input, {}, in_place);
}

Tensor gelu(const Tensor& input, bool tanh_approximation) {
  static const Activation exact{"gelu", "GeluBackward0", Op::Gelu, Op::GeluBackward, gelu_formula};
  static const Activation approximate{"gelu", "GeluBackward0", Op::GeluTanh, Op::GeluTanhBackward,
                                      gelu_tanh_formula};
  return activate(tanh_approximation ? approximate : exact, input, {}, false);
}

Tensor softplus(const Tensor& input, double beta, double threshold) {
  static const Activation a{"softplus", "SoftplusBackward0", Op::Softplus, Op::SoftplusBackward,
                            softplus_formula};
  return activate(a, input, scalars_of(beta, threshold), false);
}

Tensor logsigmoid(const Tensor& input) {
  static const Activation a{"logsigmoid", "LogSigmoidBackward0", Op::LogSigmoid, Op::LogSigmoidBackward,
                            logsigmoid_formula};
  return activate(a, input, {}, false);
}

Tensor relu_backward(const Tensor& grad, const Tensor& y) {
  const bool reuse = !autograd::grad_enabled() && grad.is_sole_owner() && grad.is_contiguous() &&
                     grad.sizes() == y.sizes() && grad.dtype() == y.dtype();
  if (!reuse) return threshold_backward(grad, y, 0.0);
  pointwise_into(grad, {"relu", Op::ThresholdBackward, y.dtype(), {&grad, &y}});
  return grad;
}

Tensor threshold_backward(const Tensor& grad, const Tensor& input, double threshold) {
  const Tensor out = pointwise(
      {"threshold_backward", Op::ThresholdBackward, input.dtype(), {&grad, &input}, scalars_of(threshold)});
  if (recording(grad))
    record(out, "ThresholdBackwardBackward0", {grad, input}, {input},
           [threshold](Node& node, const Tensor& outer) -> Grads {
             return {node.needs(0) ? threshold_backward(outer, node.saved(0), threshold) : Tensor(),
                     Tensor()};
           });
  return out;
}

}  // namespace rushlight::ops

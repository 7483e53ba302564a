// Elementwise losses.
#include "rushlight/ops/loss.h"

#include "rushlight/autograd/grad_arithmetic.h"
#include "rushlight/autograd/record.h"
#include "rushlight/ops/activation.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/ternary.h"
#include "rushlight/ops/unary.h"
#include "rushlight/ops/unary_rules.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

Tensor reduced(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::None) return losses;
  return reduction == Reduction::Sum ? sum(losses, {}, false) : mean(losses, {}, false);
}

struct Sides {
  Tensor input;
  Tensor target;
};

// Both of one shape.
Sides broadcast(const char* op, const Tensor& input, const Tensor& target) {
  if (input.sizes() == target.sizes()) return {input, target};
  const Dims sizes = broadcast_sizes(input.sizes(), target.sizes(), op);
  return {input.sizes() == sizes ? input : expand(input, sizes),
          target.sizes() == sizes ? target : expand(target, sizes)};
}

// Gradient of each element's loss, from that of the reduced result.
Tensor per_element(const Tensor& grad, Reduction reduction, int64_t count) {
  return reduction == Reduction::Mean ? div(grad, number_tensor(static_cast<double>(count))) : grad;
}

// A loss of the difference d = input - target. `value(d)` is the loss and `slope(d)` its derivative, by
// differentiable ops.
template <class Value, class Slope>
Tensor difference_loss(const char* op, const char* grad_name, const Tensor& input, const Tensor& target,
                       Reduction reduction, Value value, Slope slope) {
  const Sides sides = broadcast(op, input, target);
  Tensor out;
  {
    const autograd::GradModeGuard no_grad(false);
    out = reduced(value(sub(sides.input, sides.target)), reduction);
  }
  if (autograd::recording(sides.input, sides.target))
    autograd::record(out, grad_name, {sides.input, sides.target}, {sides.input, sides.target},
                     [reduction, slope](Node& node, const Tensor& grad) -> Grads {
                       const Tensor difference = sub(node.saved(0), node.saved(1));
                       const Tensor to_input =
                           mul(per_element(grad, reduction, difference.numel()), slope(difference));
                       return {node.needs(0) ? to_input : Tensor(), node.needs(1) ? neg(to_input) : Tensor()};
                     });
  return out;
}

void check_probabilities(const char* op, const Tensor& input, const Tensor& target) {
  RUSHLIGHT_CHECK_VALUE(input.sizes() == target.sizes(), op, ": Target size ", to_string(target.sizes()),
                        " must be the same as input size ", to_string(input.sizes()));
  RUSHLIGHT_CHECK_VALUE(!is_floating(target.dtype()) || !autograd::has_nan(target), op, ": target of shape ",
                        to_string(target.sizes()), " holds NaN");
}

Tensor weighted(const Tensor& losses, const Tensor& weight) {
  return weight.defined() ? mul(losses, weight) : losses;
}

// (1 - y) * x - factor * log(sigmoid(x)), where factor = 1 + (pos_weight - 1) * y.
Tensor logits_loss(const Tensor& x, const Tensor& y, const Tensor& pos_weight) {
  const Tensor one = number_tensor(1.0);
  const Tensor base = mul(sub(one, y), x);
  if (!pos_weight.defined()) return sub(base, logsigmoid(x));
  return sub(base, mul(add(mul(sub(pos_weight, one), y), one), logsigmoid(x)));
}

Tensor clamped(const Tensor& d, double limit) {
  return clamp(d, number_tensor(-limit), number_tensor(limit));
}
Tensor at_least(const Tensor& x, double floor) { return clamp(x, number_tensor(floor), Tensor()); }
Tensor log1p(const Tensor& x) { return unary(kLog1p, x); }

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  return difference_loss(
      "mse_loss", "MseLossBackward0", input, target, reduction, [](const Tensor& d) { return mul(d, d); },
      [](const Tensor& d) { return mul(d, number_tensor(2.0)); });
}

Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  const Sides sides = broadcast("l1_loss", input, target);
  return reduced(abs(sub(sides.input, sides.target)), reduction);
}

Tensor huber_loss(const Tensor& input, const Tensor& target, Reduction reduction, double delta) {
  RUSHLIGHT_CHECK(delta > 0.0, "huber_loss does not support non-positive values for delta, got ", delta);
  // With c = clamped(d, delta): c * (d - c / 2).
  return difference_loss(
      "huber_loss", "HuberLossBackward0", input, target, reduction,
      [delta](const Tensor& d) {
        const Tensor c = clamped(d, delta);
        return mul(c, sub(d, mul(c, number_tensor(0.5))));
      },
      [delta](const Tensor& d) { return clamped(d, delta); });
}

Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, Reduction reduction, double beta) {
  RUSHLIGHT_CHECK(beta >= 0.0, "smooth_l1_loss does not support negative values for beta, got ", beta);
  if (beta == 0.0) return l1_loss(input, target, reduction);
  return difference_loss(
      "smooth_l1_loss", "SmoothL1LossBackward0", input, target, reduction,
      [beta](const Tensor& d) {
        const Tensor c = clamped(d, beta);
        return div(mul(c, sub(d, mul(c, number_tensor(0.5)))), number_tensor(beta));
      },
      [beta](const Tensor& d) { return div(clamped(d, beta), number_tensor(beta)); });
}

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                            Reduction reduction) {
  check_probabilities("binary_cross_entropy", input, target);
  Tensor out;
  {
    const autograd::GradModeGuard no_grad(false);
    if (input.numel() > 0) {
      const Tensor low = to(amin(input, {}, false), DType::Float64);
      const Tensor high = to(amax(input, {}, false), DType::Float64);
      RUSHLIGHT_CHECK(
          *low.data<double>() >= 0.0 && *high.data<double>() <= 1.0,
          "binary_cross_entropy: all elements of input should be between 0 and 1, got values from ",
          *low.data<double>(), " to ", *high.data<double>());
    }
    const Tensor one = number_tensor(1.0);
    const Tensor positive = mul(target, at_least(log(input), -100.0));
    const Tensor negative = mul(sub(one, target), at_least(log1p(neg(input)), -100.0));
    out = reduced(weighted(neg(add(positive, negative)), weight), reduction);
  }
  if (autograd::recording(input, target))
    autograd::record(out, "BinaryCrossEntropyBackward0", {input, target}, {input, target, weight},
                     [reduction](Node& node, const Tensor& grad) -> Grads {
                       const Tensor p = node.saved(0);
                       const Tensor one = number_tensor(1.0);
                       const Tensor g = weighted(per_element(grad, reduction, p.numel()),
                                                 node.has_saved(2) ? node.saved(2) : Tensor());
                       const Tensor variance = at_least(mul(p, sub(one, p)), 1e-12);
                       return {node.needs(0) ? mul(g, div(sub(p, node.saved(1)), variance)) : Tensor(),
                               node.needs(1) ? mul(g, sub(log1p(neg(p)), log(p))) : Tensor()};
                     });
  return out;
}

Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight,
                                        const Tensor& pos_weight, Reduction reduction) {
  check_probabilities("binary_cross_entropy_with_logits", input, target);
  Tensor out;
  {
    const autograd::GradModeGuard no_grad(false);
    out = reduced(weighted(logits_loss(input, target, pos_weight), weight), reduction);
  }
  if (autograd::recording(input, target))
    autograd::record(
        out, "BinaryCrossEntropyWithLogitsBackward0", {input, target}, {input, target, weight, pos_weight},
        [reduction](Node& node, const Tensor& grad) -> Grads {
          const Tensor x = node.saved(0);
          const Tensor y = node.saved(1);
          const Tensor one = number_tensor(1.0);
          const Tensor factor = node.has_saved(3) ? node.saved(3) : Tensor();
          const Tensor g =
              weighted(per_element(grad, reduction, x.numel()), node.has_saved(2) ? node.saved(2) : Tensor());
          const Tensor positive = factor.defined() ? mul(y, factor) : y;
          Tensor to_input;
          Tensor to_target;
          if (node.needs(0)) {
            const Tensor scale = factor.defined() ? sub(add(positive, one), y) : Tensor();
            const Tensor p = factor.defined() ? mul(scale, sigmoid(x)) : sigmoid(x);
            to_input = mul(g, sub(p, positive));
          }
          if (node.needs(1)) {  // d/dy of logits_loss
            to_target = neg(x);
            if (factor.defined()) to_target = add(to_target, mul(sub(one, factor), logsigmoid(x)));
            to_target = mul(g, to_target);
          }
          return {to_input, to_target};
        });
  return out;
}

}  // namespace rushlight::ops

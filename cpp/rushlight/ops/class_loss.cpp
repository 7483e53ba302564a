// Losses of class indices and class probabilities.
#include <cmath>
#include <vector>

#include "rushlight/autograd/grad_arithmetic.h"
#include "rushlight/autograd/record.h"
#include "rushlight/kernels/nll/nll.h"
#include "rushlight/kernels/softmax/softmax.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/comparison.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/loss.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/softmax.h"
#include "rushlight/ops/ternary.h"
#include "rushlight/ops/unary.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {

Reduction reduction_from(const std::string& name) {
  if (name == "mean") return Reduction::Mean;
  if (name == "sum") return Reduction::Sum;
  RUSHLIGHT_CHECK_VALUE(name == "none", "'", name,
                        "' is not a valid value for reduction: expected 'mean', 'sum' or 'none'");
  return Reduction::None;
}

namespace {

using autograd::Grads;
using autograd::Node;

// Contiguous int64 class indices that fit the input; positions of bad ones are named.
Tensor checked_target(const char* op, const Tensor& input, const Tensor& target, int64_t ignore_index) {
  RUSHLIGHT_CHECK(target.dtype() == DType::Int64 || target.dtype() == DType::UInt8, op,
                  ": expected class indices of dtype int64 (Long) or uint8 (Byte) as target, got ",
                  dtype_name(target.dtype()), " of shape ", to_string(target.sizes()));
  RUSHLIGHT_CHECK(input.dim() > 0, op, ": input tensor should be 1D or 2D or more, got a 0-d tensor");
  Dims expected;
  for (int64_t d = 0; d < input.dim(); ++d)
    if (d != (input.dim() == 1 ? 0 : 1)) expected.push_back(input.sizes()[d]);
  if (input.dim() > 1)
    RUSHLIGHT_CHECK_VALUE(target.dim() > 0 && target.size(0) == input.size(0), op,
                          ": Expected input batch_size (", input.size(0), ") to match target batch_size (",
                          target.dim() > 0 ? target.size(0) : 1, "), got input ", to_string(input.sizes()),
                          ", target ", to_string(target.sizes()));
  const bool one = input.dim() == 1 && target.sizes() == Dims{1};
  RUSHLIGHT_CHECK(target.sizes() == expected || one, op, ": expected target of shape ", to_string(expected),
                  " for input ", to_string(input.sizes()), ", got ", to_string(target.sizes()));
  const Tensor plain = contiguous(to(target, DType::Int64));
  const int64_t* values = plain.data<int64_t>();
  const int64_t classes = input.dim() == 1 ? input.size(0) : input.size(1);
  for (int64_t i = 0; i < plain.numel(); ++i)
    RUSHLIGHT_CHECK_INDEX((values[i] >= 0 && values[i] < classes) || values[i] == ignore_index, op,
                          ": Target ", values[i], " is out of bounds: position ", i,
                          " of target, which must hold classes from 0 to ", classes - 1, " (", classes,
                          " classes) or ignore_index=", ignore_index);
  return plain;
}

void check_weight(const char* op, const Tensor& input, const Tensor& weight) {
  const int64_t classes = input.dim() == 1 ? input.size(0) : input.size(1);
  RUSHLIGHT_CHECK(!weight.defined() || weight.sizes() == Dims{classes}, op,
                  ": weight tensor should be defined either for all ", classes,
                  " classes or no classes but got weight tensor of shape: ", to_string(weight.sizes()));
  RUSHLIGHT_CHECK(!weight.defined() || weight.dtype() == input.dtype(), op,
                  ": expected weight of the input's dtype ", dtype_name(input.dtype()), ", got ",
                  dtype_name(weight.dtype()));
}

kernels::NllParams params_for(const Dims& sizes, DType dtype, const Tensor& target, const Tensor& weight,
                              int64_t ignore_index) {
  kernels::NllParams params{dtype, 1, sizes[0], 1, target.data<int64_t>(), nullptr, ignore_index};
  if (sizes.size() > 1) {
    params.batch = sizes[0];
    params.classes = sizes[1];
    for (size_t d = 2; d < sizes.size(); ++d) params.spatial *= sizes[d];
  }
  if (weight.defined()) params.weight = weight.raw_data();
  return params;
}

struct NllSetting {
  Dims sizes;  // of the log-probabilities
  int64_t ignore_index;
  Reduction reduction;
  bool own_log_probs = false;  // they are a log_softmax nobody else uses: the two run backward as one
};

// The loss is linear in the log-probabilities: its gradient's gradient is the loss again.
Tensor nll_backward(const Tensor& grad, const Tensor& target, const Tensor& weight, const NllSetting& setting,
                    double total_weight);

class NllNode : public Node {
 public:
  NllNode(const NllSetting& setting, double total_weight)
      : Node(setting.sizes.size() > 2 ? "NllLoss2DBackward0" : "NllLossBackward0", 1),
        setting_(setting),
        total_weight_(total_weight) {}

  Grads apply(Grads& grads) override {
    if (!grads[0].defined()) return Grads(1);
    const Tensor target = saved(0);
    return {nll_backward(grads[0], target, has_saved(1) ? saved(1) : Tensor(), setting_, total_weight_)};
  }

  autograd::Chain merges_with() override {
    const bool rows = setting_.own_log_probs && setting_.sizes.size() <= 2;
    const bool direct = results[0].dtype == DType::Float32 || results[0].dtype == DType::Float64;
    Node* const log_softmax = next[0].node.get();
    return rows && direct && log_softmax != nullptr ? autograd::Chain{log_softmax} : autograd::Chain{};
  }
  Grads apply_merged(Grads& grads) override {
    if (!grads[0].defined()) return Grads(1);
    const Tensor target = saved(0), weight = has_saved(1) ? saved(1) : Tensor();
    const Tensor log_probs = contiguous(next[0].node->saved(0));
    const DType dtype = log_probs.dtype();
    const auto params = params_for(setting_.sizes, dtype, target, weight, setting_.ignore_index);
    const Tensor grad = contiguous(to(grads[0], DType::Float64));
    const bool single = setting_.reduction != Reduction::None;
    const double divisor = setting_.reduction == Reduction::Mean ? total_weight_ : 1.0;
    const Tensor factors = weight.defined() ? to(weight, DType::Float64) : weight;
    std::vector<double> scale(static_cast<size_t>(params.batch));
    for (int64_t n = 0; n < params.batch; ++n) {
      if (params.target[n] == setting_.ignore_index) continue;
      const double factor = weight.defined() ? factors.data<double>()[params.target[n]] : 1.0;
      scale[static_cast<size_t>(n)] = factor * grad.data<double>()[single ? 0 : n] / divisor;
    }
    Tensor out = Tensor::empty(setting_.sizes, dtype);
    kernels::cross_entropy_backward(dtype, params.batch, params.classes, log_probs.raw_data(), params.target,
                                    scale.data(), out.raw_data());
    return {out};
  }

 private:
  NllSetting setting_;
  double total_weight_;
};

Tensor nll(const Tensor& input, const Tensor& target, const Tensor& weight, const NllSetting& setting) {
  const Tensor plain = [&] {
    const autograd::GradModeGuard no_grad(false);
    return contiguous(input);
  }();
  const auto params = params_for(setting.sizes, input.dtype(), target, weight, setting.ignore_index);
  const bool none = setting.reduction == Reduction::None;
  Tensor out;
  if (none) out = Tensor::empty(input.dim() == 1 ? Dims{} : target.sizes(), input.dtype());
  const auto sums = kernels::nll(params, plain.raw_data(), none ? out.raw_data() : nullptr);
  if (!none)
    out = Tensor::scalar(setting.reduction == Reduction::Mean ? sums.loss / sums.weight : sums.loss,
                         input.dtype());
  if (autograd::recording(input)) {
    auto node = autograd::make_node<NllNode>(setting, sums.weight);
    autograd::detail::connect(*node, input);
    autograd::set_saved(*node, {target, weight});
    autograd::detail::attach(out, std::move(node), 0);
  }
  return out;
}

Tensor nll_backward(const Tensor& grad, const Tensor& target, const Tensor& weight, const NllSetting& setting,
                    double total_weight) {
  const auto params = params_for(setting.sizes, grad.dtype(), target, weight, setting.ignore_index);
  Tensor out = Tensor::empty(setting.sizes, grad.dtype());
  const Tensor plain = [&] {
    const autograd::GradModeGuard no_grad(false);
    return contiguous(grad);
  }();
  kernels::nll_backward(params, plain.raw_data(), setting.reduction != Reduction::None,
                        setting.reduction == Reduction::Mean ? total_weight : 1.0, out.raw_data());
  if (autograd::recording(grad))
    autograd::record(out, "NllLossBackwardBackward0", {grad}, {target, weight},
                     [setting](Node& node, const Tensor& grad_out) -> Grads {
                       const Tensor weights = node.has_saved(1) ? node.saved(1) : Tensor();
                       return {nll(grad_out, node.saved(0), weights, setting)};
                     });
  return out;
}

Tensor class_loss(const char* op, const Tensor& input, const Tensor& target, const Tensor& weight,
                  const ClassLossOptions& options, bool own_log_probs = false) {
  RUSHLIGHT_CHECK_AS(NotImplementedError, is_floating(input.dtype()), op, ": not implemented for ",
                     dtype_name(input.dtype()));
  check_weight(op, input, weight);
  const Tensor classes = checked_target(op, input, target, options.ignore_index);
  const Tensor weights = weight.defined() ? contiguous(autograd::detach(weight)) : weight;
  return nll(input, classes, weights,
             {input.sizes(), options.ignore_index, options.reduction, own_log_probs});
}

// weight (C) shaped to broadcast against input.
Tensor by_class(const Tensor& weight, const Tensor& input) {
  if (input.dim() == 1) return weight;
  Dims sizes(input.sizes().size(), 1);
  sizes[1] = weight.numel();
  return reshape(weight, sizes);
}

Tensor reduced(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::None) return losses;
  return reduction == Reduction::Sum ? sum(losses, {}, false) : mean(losses, {}, false);
}

Tensor smoothed_loss(const Tensor& log_probs, const Tensor& target, const Tensor& weight,
                     const ClassLossOptions& options) {
  const int64_t class_dim = log_probs.dim() == 1 ? 0 : 1;
  const int64_t classes = log_probs.size(class_dim);
  const Tensor chosen = class_loss("cross_entropy", log_probs, target, weight, options);
  const Tensor weighted = weight.defined() ? mul(log_probs, by_class(weight, log_probs)) : log_probs;
  Tensor spread = neg(sum(weighted, {class_dim}, false));
  const Tensor plain_target = reshape(to(target, DType::Int64), spread.sizes());
  Tensor ignored;
  Tensor total;  // of the weights that count
  {
    const autograd::GradModeGuard no_grad(false);
    ignored = eq(plain_target, number_tensor(options.ignore_index));
    if (weight.defined()) {
      const Tensor unit = neg(expand(by_class(weight, log_probs), log_probs.sizes()));
      ClassLossOptions each = options;
      each.reduction = Reduction::Sum;
      total = class_loss("cross_entropy", neg(div(unit, by_class(weight, log_probs))), target, weight, each);
      total = neg(total);
    } else {
      total = sum(logical_not(ignored), {}, false);
    }
  }
  spread = masked_fill(spread, ignored, number_tensor(0.0));
  if (options.reduction == Reduction::Mean)
    spread = div(sum(spread, {}, false), total);
  else
    spread = reduced(spread, options.reduction);
  return add(mul(chosen, number_tensor(1.0 - options.label_smoothing)),
             mul(spread, number_tensor(options.label_smoothing / static_cast<double>(classes))));
}

Tensor probability_loss(const Tensor& input, const Tensor& target, const Tensor& weight,
                        const ClassLossOptions& options) {
  RUSHLIGHT_CHECK_VALUE(!autograd::has_nan(target),
                        "cross_entropy: target holds NaN; class probabilities must be "
                        "numbers, got target ",
                        to_string(target.sizes()), " with NaN in it");
  RUSHLIGHT_CHECK(options.ignore_index < 0,
                  "cross_entropy: ignore_index is not supported for floating point target, got ",
                  options.ignore_index);
  check_weight("cross_entropy", input, weight);
  const int64_t class_dim = input.dim() == 1 ? 0 : 1;
  const auto classes = static_cast<double>(input.size(class_dim));
  Tensor goal = target;
  if (options.label_smoothing > 0.0)
    goal = add(mul(target, number_tensor(1.0 - options.label_smoothing)),
               number_tensor(options.label_smoothing / classes));
  Tensor product = mul(log_softmax(input, class_dim), goal);
  if (weight.defined()) product = mul(product, by_class(weight, input));
  if (options.reduction == Reduction::None) return neg(sum(product, {class_dim}, false));
  const Tensor total = neg(sum(product, {}, false));
  if (options.reduction == Reduction::Sum) return total;
  return div(total, number_tensor(static_cast<double>(input.numel()) / classes));
}

}  // namespace

Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight,
                const ClassLossOptions& options) {
  return class_loss("nll_loss", input, target, weight, options);
}

Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                     const ClassLossOptions& options) {
  RUSHLIGHT_CHECK(
      options.label_smoothing >= 0.0 && options.label_smoothing <= 1.0,
      "cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: ", options.label_smoothing);
  if (is_floating(target.dtype()) && target.sizes() == input.sizes())
    return probability_loss(input, target, weight, options);
  RUSHLIGHT_CHECK(input.dim() > 0, "cross_entropy: input must have a class dimension, got a 0-d tensor");
  const Tensor log_probs = log_softmax(input, input.dim() == 1 ? 0 : 1);
  if (options.label_smoothing > 0.0) return smoothed_loss(log_probs, target, weight, options);
  return class_loss("cross_entropy", log_probs, target, weight, options, true);
}

}  // namespace rushlight::ops

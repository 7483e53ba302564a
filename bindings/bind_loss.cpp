#include "autocast.h"
#include "bind.h"
#include "rushlight/ops/loss.h"

namespace rushlight::bindings {
namespace {

using OptionalTensor = std::optional<Tensor>;
Tensor given(const OptionalTensor& tensor) { return tensor.value_or(Tensor()); }

// size_average and reduce are the names from before reduction; PyTorch turns them into it.
std::string word_for(const std::optional<bool>& size_average, const std::optional<bool>& reduce,
                     const std::string& reduction) {
  if (!size_average.has_value() && !reduce.has_value()) return reduction;
  if (!reduce.value_or(true)) return "none";
  return size_average.value_or(true) ? "mean" : "sum";
}

using Old = std::optional<bool>;

// PyTorch's warning: broadcasting a loss is nearly always a mistake.
void warn_of_broadcast(const Tensor& input, const Tensor& target) {
  if (input.sizes() == target.sizes()) return;
  const auto show = [](const Tensor& tensor) { return std::string(py::repr(make_size(tensor.sizes()))); };
  const std::string text =
      str("Using a target size (", show(target), ") that is different to the input size (", show(input),
          "). This will likely lead to incorrect results due to broadcasting. Please ensure they have the "
          "same size.");
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) < 0) throw py::error_already_set();
}

const char* const kRaises =
    "\n\nArgs:\n    reduction: 'mean', 'sum' or 'none'.\n\n"
    "Shapes:\n    input, target: broadcast; result: (), or the broadcast shape for 'none'\n\n"
    "Raises:\n    RuntimeError: if the shapes do not broadcast.\n    ValueError: for another reduction.";

void bind_class_losses(Binder& b) {
  const std::string about =
      "\n\nArgs:\n    target: class indices (int64 or uint8).\n    weight: one factor a class.\n"
      "    ignore_index: targets of this value count for nothing.\n"
      "    reduction: 'mean' (divided by the sum of the targets' weights), 'sum' or 'none'.\n\n"
      "Shapes:\n    input: (C), (N, C) or (N, C, d1, ...); target: the same without C; result: () or as "
      "target\n\n"
      "Raises:\n    IndexError: for a class that is out of range.\n    ValueError: for batch sizes that "
      "differ or another"
      " reduction.\n    RuntimeError: for other shapes and dtypes.";
  b.function("nll_loss",
             autocast<Cast::Float32>([](const Tensor& input, const Tensor& target,
                                        const OptionalTensor& weight, Old size_average, int64_t ignore_index,
                                        Old reduce, const std::string& reduction) {
               const auto how = ops::reduction_from(word_for(size_average, reduce, reduction));
               return ops::nll_loss(input, target, given(weight), {ignore_index, how});
             }),
             py::arg("input"), py::arg("target"), py::arg("weight") = py::none(),
             py::arg("size_average") = py::none(), py::arg("ignore_index") = -100,
             py::arg("reduce") = py::none(), py::arg("reduction") = "mean",
             ("Negative log likelihood of log-probabilities: -weight[t] * input[t]." + about).c_str());
  b.function(
      "cross_entropy",
      autocast<Cast::Float32>([](const Tensor& input, const Tensor& target, const OptionalTensor& weight,
                                 Old size_average, int64_t ignore_index, Old reduce,
                                 const std::string& reduction, double label_smoothing) {
        const auto how = ops::reduction_from(word_for(size_average, reduce, reduction));
        return ops::cross_entropy(input, target, given(weight), {ignore_index, how, label_smoothing});
      }),
      py::arg("input"), py::arg("target"), py::arg("weight") = py::none(),
      py::arg("size_average") = py::none(), py::arg("ignore_index") = -100, py::arg("reduce") = py::none(),
      py::arg("reduction") = "mean", py::arg("label_smoothing") = 0.0,
      ("nll_loss of log_softmax(input); a floating target shaped like input holds class probabilities, which "
       "must not "
       "be NaN. label_smoothing mixes the target with the uniform distribution." +
       about)
          .c_str());
}

using Loss = Tensor (*)(const Tensor&, const Tensor&, ops::Reduction);
void bind_pair_loss(Binder& b, const char* name, Loss loss, const char* formula) {
  b.function(name,
             autocast<Cast::Float32>([loss](const Tensor& input, const Tensor& target, Old size_average,
                                            Old reduce, const std::string& reduction) {
               warn_of_broadcast(input, target);
               return loss(input, target, ops::reduction_from(word_for(size_average, reduce, reduction)));
             }),
             py::arg("input"), py::arg("target"), py::arg("size_average") = py::none(),
             py::arg("reduce") = py::none(), py::arg("reduction") = "mean",
             (std::string(formula) + kRaises).c_str());
}

void bind_probability_losses(Binder& b) {
  const std::string about =
      "\n\nArgs:\n    weight: factor of each element, broadcast.\n    reduction: 'mean', 'sum' or 'none'.\n\n"
      "Shapes:\n    input, target: any, equal\n\n"
      "Raises:\n    ValueError: for shapes that differ, NaN in target, or another reduction.";
  b.function(
      "binary_cross_entropy",
      autocast<Cast::Float32>([](const Tensor& input, const Tensor& target, const OptionalTensor& weight,
                                 Old size_average, Old reduce, const std::string& reduction) {
        return ops::binary_cross_entropy(input, target, given(weight),
                                         ops::reduction_from(word_for(size_average, reduce, reduction)));
      }),
      py::arg("input"), py::arg("target"), py::arg("weight") = py::none(),
      py::arg("size_average") = py::none(), py::arg("reduce") = py::none(), py::arg("reduction") = "mean",
      ("-(y log p + (1 - y) log(1 - p)) with logarithms no smaller than -100." + about +
       "\n    RuntimeError: if input is not between 0 and 1.")
          .c_str());
  b.function(
      "binary_cross_entropy_with_logits",
      autocast<Cast::Float32>([](const Tensor& input, const Tensor& target, const OptionalTensor& weight,
                                 Old size_average, Old reduce, const std::string& reduction,
                                 const OptionalTensor& pos_weight) {
        return ops::binary_cross_entropy_with_logits(
            input, target, given(weight), given(pos_weight),
            ops::reduction_from(word_for(size_average, reduce, reduction)));
      }),
      py::arg("input"), py::arg("target"), py::arg("weight") = py::none(),
      py::arg("size_average") = py::none(), py::arg("reduce") = py::none(), py::arg("reduction") = "mean",
      py::arg("pos_weight") = py::none(),
      ("binary_cross_entropy of sigmoid(input), in a form that cannot overflow; pos_weight multiplies the "
       "term of y." +
       about)
          .c_str());
}

}  // namespace

void bind_loss(Binder& b) {
  bind_class_losses(b);
  bind_pair_loss(b, "mse_loss", &ops::mse_loss, "Squared difference.");
  bind_pair_loss(b, "l1_loss", &ops::l1_loss, "Absolute difference.");
  b.function("smooth_l1_loss",
             autocast<Cast::Float32>([](const Tensor& input, const Tensor& target, Old size_average,
                                        Old reduce, const std::string& reduction, double beta) {
               warn_of_broadcast(input, target);
               return ops::smooth_l1_loss(
                   input, target, ops::reduction_from(word_for(size_average, reduce, reduction)), beta);
             }),
             py::arg("input"), py::arg("target"), py::arg("size_average") = py::none(),
             py::arg("reduce") = py::none(), py::arg("reduction") = "mean", py::arg("beta") = 1.0,
             (std::string("0.5 d^2 / beta where |d| < beta, else |d| - 0.5 beta.") + kRaises).c_str());
  b.function("huber_loss",
             autocast<Cast::Float32>(
                 [](const Tensor& input, const Tensor& target, const std::string& reduction, double delta) {
                   warn_of_broadcast(input, target);
                   return ops::huber_loss(input, target, ops::reduction_from(reduction), delta);
                 }),
             py::arg("input"), py::arg("target"), py::arg("reduction") = "mean", py::arg("delta") = 1.0,
             (std::string("0.5 d^2 where |d| < delta, else delta (|d| - 0.5 delta).") + kRaises).c_str());
  bind_probability_losses(b);
}

}  // namespace rushlight::bindings

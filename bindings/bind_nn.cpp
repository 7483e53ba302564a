// Softmax, normalisation, pooling and the optimiser step.
#include "bind.h"
#include "rushlight/ops/layer_norm.h"
#include "rushlight/ops/norm.h"
#include "rushlight/ops/pool.h"
#include "rushlight/ops/sgd.h"
#include "rushlight/ops/softmax.h"

namespace rushlight::bindings {
namespace {

using OptionalTensor = std::optional<Tensor>;
Tensor given(const OptionalTensor& tensor) { return tensor.value_or(Tensor()); }

ops::IntPair pair_of(const Pair& pair) { return {pair.first, pair.second}; }

// None: the kernel's size.
ops::IntPair stride_of(const std::optional<Pair>& stride, const Pair& kernel) {
  return pair_of(stride.value_or(kernel));
}

// `output_size`: an int, or a pair of which each may be None (the input's size).
struct OutputSize {
  explicit OutputSize(const py::object& size) {
    const auto one = [](const py::handle& item) -> std::optional<int64_t> {
      if (item.is_none()) return std::nullopt;
      return item.cast<int64_t>();
    };
    if (!py::isinstance<py::tuple>(size) && !py::isinstance<py::list>(size)) {
      h = w = one(size);
      return;
    }
    const auto items = py::reinterpret_borrow<py::sequence>(size);
    RUSHLIGHT_CHECK_VALUE(items.size() == 1 || items.size() == 2,
                          "adaptive pooling: output_size must be an int or a pair, got ",
                          std::string(py::repr(size)));
    h = one(items[0]);
    w = one(items[items.size() - 1]);
  }
  std::optional<int64_t> h;
  std::optional<int64_t> w;
};

ops::Pool2dOptions max_pool_options(const Pair& kernel, const std::optional<Pair>& stride,
                                    const Pair& padding, const Pair& dilation, bool ceil_mode) {
  ops::Pool2dOptions result{pair_of(kernel), stride_of(stride, kernel)};
  result.padding = pair_of(padding);
  result.dilation = pair_of(dilation);
  result.ceil_mode = ceil_mode;
  return result;
}

void bind_pool(Binder& b) {
  const std::string about =
      "\n\nArgs:\n    kernel_size, stride, padding: ints or (h, w); stride None means kernel_size.\n"
      "    ceil_mode: windows may end beyond the padded input, if they start inside.\n\n"
      "Shapes:\n    input: (N, C, H, W) or (C, H, W)\n\n"
      "Raises:\n    RuntimeError: for sizes below 1, padding above half the kernel, or an empty result.";
  b.function(
      "max_pool2d",
      [](const Tensor& input, const Pair& kernel_size, const std::optional<Pair>& stride, const Pair& padding,
         const Pair& dilation, bool ceil_mode, bool return_indices) -> py::object {
        const auto options = max_pool_options(kernel_size, stride, padding, dilation, ceil_mode);
        const auto out = ops::max_pool2d(input, options, return_indices);
        if (return_indices) return py::make_tuple(out.values, out.indices);
        return py::cast(out.values);
      },
      py::arg("input"), py::arg("kernel_size"), py::arg("stride") = py::none(), py::arg("padding") = 0,
      py::arg("dilation") = 1, py::arg("ceil_mode") = false, py::arg("return_indices") = false,
      ("Largest value of each window; NaN wins. With return_indices also its position h * W + w." + about)
          .c_str());
  b.function(
      "avg_pool2d",
      [](const Tensor& input, const Pair& kernel_size, const std::optional<Pair>& stride, const Pair& padding,
         bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override) {
        auto all = max_pool_options(kernel_size, stride, padding, {1, 1}, ceil_mode);
        all.count_include_pad = count_include_pad;
        all.divisor_override = divisor_override;
        return ops::avg_pool2d(input, all);
      },
      py::arg("input"), py::arg("kernel_size"), py::arg("stride") = py::none(), py::arg("padding") = 0,
      py::arg("ceil_mode") = false, py::arg("count_include_pad") = true,
      py::arg("divisor_override") = py::none(),
      ("Mean of each window; count_include_pad counts padding as zeros, divisor_override replaces the "
       "count." +
       about)
          .c_str());
  const std::string adaptive =
      "\n\nArgs:\n    output_size: an int or (h, w); None keeps the input's size.\n\n"
      "Shapes:\n    input: (N, C, H, W) or (C, H, W)\n\nRaises:\n    RuntimeError: for negative sizes.";
  b.function(
      "adaptive_avg_pool2d",
      [](const Tensor& input, const py::object& output_size) {
        const OutputSize size(output_size);
        return ops::adaptive_avg_pool2d(input, size.h, size.w);
      },
      py::arg("input"), py::arg("output_size"),
      ("Means over windows that divide the image into output_size parts." + adaptive).c_str());
  b.function(
      "adaptive_max_pool2d",
      [](const Tensor& input, const py::object& output_size, bool return_indices) -> py::object {
        const OutputSize size(output_size);
        const auto out = ops::adaptive_max_pool2d(input, size.h, size.w, return_indices);
        if (return_indices) return py::make_tuple(out.values, out.indices);
        return py::cast(out.values);
      },
      py::arg("input"), py::arg("output_size"), py::arg("return_indices") = false,
      ("Largest values over windows that divide the image into output_size parts." + adaptive).c_str());
}

}  // namespace

void bind_nn(Binder& b) {
  const char* const shapes =
      "\n\nArgs:\n    dtype: type to convert the input to first.\n\nShapes:\n    input: any; result: the "
      "same\n\n"
      "Raises:\n    IndexError: if dim is out of range.\n    RuntimeError: for types that are not floating.";
  b.both("softmax", &ops::softmax, py::arg("dim"), py::arg("dtype") = py::none(),
         (std::string("exp(x) / sum(exp(x)) along dim.") + shapes).c_str());
  b.both("log_softmax", &ops::log_softmax, py::arg("dim"), py::arg("dtype") = py::none(),
         (std::string("log(softmax(x)) along dim, computed without its loss of accuracy.") + shapes).c_str());
  bind_pool(b);
  b.function(
      "batch_norm",
      [](const Tensor& input, const OptionalTensor& running_mean, const OptionalTensor& running_var,
         const OptionalTensor& weight, const OptionalTensor& bias, bool training, double momentum,
         double eps) {
        return ops::batch_norm(input, given(running_mean), given(running_var), given(weight), given(bias),
                               {training, momentum, eps});
      },
      py::arg("input"), py::arg("running_mean"), py::arg("running_var"), py::arg("weight") = py::none(),
      py::arg("bias") = py::none(), py::arg("training") = false, py::arg("momentum") = 0.1,
      py::arg("eps") = 1e-5,
      "(x - mean) / sqrt(var + eps) * weight + bias for each channel.\n\n"
      "Training takes mean and biased variance of the batch and moves the running statistics:\n"
      "running = (1 - momentum) * running + momentum * (mean, unbiased variance). Else the running ones are "
      "used.\n\n"
      "Shapes:\n    input: (N, C, ...); the others: (C)\n\n"
      "Raises:\n    ValueError: for one value a channel in training.\n"
      "    RuntimeError: for sizes that do not fit, or no running statistics in evaluation.");
  b.function(
      "batch_norm_relu",
      [](const Tensor& input, const OptionalTensor& running_mean, const OptionalTensor& running_var,
         const OptionalTensor& weight, const OptionalTensor& bias, bool training, double momentum, double eps,
         const OptionalTensor& residual) {
        return ops::batch_norm_relu(input, given(running_mean), given(running_var), given(weight),
                                    given(bias), given(residual), {training, momentum, eps});
      },
      py::arg("input"), py::arg("running_mean"), py::arg("running_var"), py::arg("weight") = py::none(),
      py::arg("bias") = py::none(), py::arg("training") = false, py::arg("momentum") = 0.1,
      py::arg("eps") = 1e-5, py::arg("residual") = py::none(),
      "relu(batch_norm(input, ...) + residual) in one pass over memory, forward and backward.\n\n"
      "Shapes:\n    input, residual: (N, C, ...); the others: (C)\n\n"
      "Raises:\n    ValueError, RuntimeError: as batch_norm, or for a residual that does not broadcast.");
  b.function(
      "batch_norm_relu_max_pool2d",
      [](const Tensor& input, const OptionalTensor& running_mean, const OptionalTensor& running_var,
         const OptionalTensor& weight, const OptionalTensor& bias, bool training, double momentum, double eps,
         const Pair& kernel_size, const std::optional<Pair>& stride, const Pair& padding,
         const Pair& dilation, bool ceil_mode) {
        return ops::batch_norm_relu_max_pool2d(
            input, given(running_mean), given(running_var), given(weight), given(bias),
            {training, momentum, eps}, max_pool_options(kernel_size, stride, padding, dilation, ceil_mode));
      },
      py::arg("input"), py::arg("running_mean"), py::arg("running_var"), py::arg("weight"), py::arg("bias"),
      py::arg("training"), py::arg("momentum"), py::arg("eps"), py::arg("kernel_size"),
      py::arg("stride") = py::none(), py::arg("padding") = 0, py::arg("dilation") = 1,
      py::arg("ceil_mode") = false,
      "max_pool2d(relu(batch_norm(input, ...)), kernel_size, ...), in training without the results "
      "between.\n\n"
      "Shapes:\n    input: (N, C, H, W); running_mean, running_var, weight, bias: (C)\n\n"
      "Raises:\n    ValueError, RuntimeError: as batch_norm and max_pool2d.");
  b.function(
      "layer_norm",
      [](const Tensor& input, const IntList& normalized_shape, const OptionalTensor& weight,
         const OptionalTensor& bias,
         double eps) { return ops::layer_norm(input, normalized_shape, given(weight), given(bias), eps); },
      py::arg("input"), py::arg("normalized_shape"), py::arg("weight") = py::none(),
      py::arg("bias") = py::none(), py::arg("eps") = 1e-5,
      "(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions of each sample.\n\n"
      "Shapes:\n    input and result: (*, *normalized_shape); weight, bias: normalized_shape\n\n"
      "Raises:\n    RuntimeError: if the input does not end in normalized_shape, or weight or bias have "
      "another "
      "shape.");
  b.function(
      "sgd_step_",
      [](const std::vector<Tensor>& params, const std::vector<Tensor>& grads,
         const std::vector<Tensor>& momentum_buffers, double lr, double momentum, double dampening,
         double weight_decay, bool nesterov, bool maximize, bool first_step) {
        ops::sgd_step_(params, grads, momentum_buffers,
                       {lr, momentum, dampening, weight_decay, nesterov, maximize, first_step});
      },
      py::arg("params"), py::arg("grads"), py::arg("momentum_buffers"), py::kw_only(), py::arg("lr"),
      py::arg("momentum") = 0.0, py::arg("dampening") = 0.0, py::arg("weight_decay") = 0.0,
      py::arg("nesterov") = false, py::arg("maximize") = false, py::arg("first_step") = false,
      "One SGD step in place, in one pass over all parameters: g = +-grad + weight_decay * param;\n"
      "buffer = momentum * buffer + (1 - dampening) * g (first_step: buffer = g);\n"
      "param -= lr * (g + momentum * buffer if nesterov else buffer). Without momentum there are no "
      "buffers.\n\n"
      "Shapes:\n    param, grad, momentum_buffer: any, equal; float32 or float64\n\n"
      "Raises:\n    RuntimeError: for shapes or types that differ, or buffers without momentum.");
}

}  // namespace rushlight::bindings

#include <variant>

#include "autocast.h"
#include "bind.h"
#include "rushlight/ops/folded_conv.h"

namespace rushlight::bindings {
namespace {

// Pairs of numbers, or one of the two words.
using Padding = std::variant<Pair, std::string>;

ops::Conv2dOptions options(const char* op, Pair stride, const Padding& padding, Pair dilation,
                           int64_t groups) {
  ops::Conv2dOptions o;
  o.stride_h = stride.first, o.stride_w = stride.second;
  o.dilation_h = dilation.first, o.dilation_w = dilation.second;
  o.groups = groups;
  if (const Pair* numbers = std::get_if<Pair>(&padding)) {
    o.pad_h = numbers->first, o.pad_w = numbers->second;
    return o;
  }
  const std::string& word = std::get<std::string>(padding);
  RUSHLIGHT_CHECK(word == "same" || word == "valid", op,
                  ": padding must be numbers, 'same' or 'valid', got '", word, "'");
  o.same = word == "same";
  return o;
}

// One number stands for the width only: the height of a 1-d convolution is 1.
Pair width_only(const IntList& value, int64_t height) {
  RUSHLIGHT_CHECK(value.values.size() == 1,
                  "conv1d: expected one number for stride, padding and dilation, got ",
                  to_string(value.values));
  return {height, value.values[0]};
}

// What autocast makes of an argument.
Tensor lowered(const Tensor& tensor) {
  const AutocastState& cast = autocast_state();
  return cast.enabled ? cast_argument(tensor, cast.dtype) : tensor;
}
// Float32 weights are left to the op, which rounds them to bfloat16 while it reads them.
Tensor lowered_weight(const Tensor& weight, ops::Conv2dOptions* o) {
  const AutocastState& cast = autocast_state();
  o->rounds_weight = cast.enabled && cast.dtype == DType::BFloat16 && weight.dtype() == DType::Float32;
  return o->rounds_weight ? weight : lowered(weight);
}

Tensor conv2d(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias, Pair stride,
              const Padding& padding, Pair dilation, int64_t groups) {
  ops::Conv2dOptions o = options("conv2d", stride, padding, dilation, groups);
  const Tensor read = lowered_weight(weight, &o);
  return ops::conv2d(lowered(input), read, lowered(bias.value_or(Tensor())), o);
}

Tensor conv2d_fused(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias, Pair stride,
                    const Padding& padding, Pair dilation, int64_t groups,
                    const std::optional<Tensor>& residual, bool relu) {
  ops::Conv2dOptions o = options("conv2d_fused", stride, padding, dilation, groups);
  const Tensor read = lowered_weight(weight, &o);
  return ops::conv2d_fused(lowered(input), read, lowered(bias.value_or(Tensor())),
                           lowered(residual.value_or(Tensor())), relu, o);
}

Tensor conv1d(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
              const IntList& stride, const std::variant<IntList, std::string>& padding,
              const IntList& dilation, int64_t groups) {
  const Padding pad = std::holds_alternative<IntList>(padding)
                          ? Padding(width_only(std::get<IntList>(padding), 0))
                          : Padding(std::get<std::string>(padding));
  return ops::conv1d(input, weight, bias.value_or(Tensor()),
                     options("conv1d", width_only(stride, 1), pad, width_only(dilation, 1), groups));
}

Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                        Pair stride, Pair padding, Pair output_padding, int64_t groups, Pair dilation) {
  return ops::conv_transpose2d(input, weight, bias.value_or(Tensor()),
                               options("conv_transpose2d", stride, padding, dilation, groups),
                               output_padding.first, output_padding.second);
}

// Kept by a batch norm for the convolution before it; copies and pickles start empty.
void bind_folded(py::module_& m) {
  using Optional = std::optional<Tensor>;
  py::class_<ops::FoldedConv> c(m, "_FoldedConv", "See rushlight/nn/_fused.py.");
  c.def(py::init<>())
      .def("__reduce__",
           [](const py::object&) { return py::make_tuple(py::type::of<ops::FoldedConv>(), py::tuple()); })
      .def(
          "run",
          [](ops::FoldedConv& self, const Tensor& input, const Tensor& weight, const Optional& bias,
             const Tensor& running_mean, const Tensor& running_var, const Optional& norm_weight,
             const Optional& norm_bias, double eps, const Optional& residual, bool relu, Pair stride,
             const Padding& padding, Pair dilation, int64_t groups) {
            return self.run(lowered(input),
                            {weight, bias.value_or(Tensor()), running_mean, running_var,
                             norm_weight.value_or(Tensor()), norm_bias.value_or(Tensor()), eps},
                            lowered(residual.value_or(Tensor())), relu,
                            options("conv2d", stride, padding, dilation, groups), autocast_state().enabled);
          },
          py::arg("input"), py::arg("weight"), py::arg("bias"), py::arg("running_mean"),
          py::arg("running_var"), py::arg("norm_weight"), py::arg("norm_bias"), py::arg("eps"),
          py::arg("residual"), py::arg("relu"), py::arg("stride"), py::arg("padding"), py::arg("dilation"),
          py::arg("groups"), "relu(norm(conv(input)) + residual), or None if single ops must do it.");
}

}  // namespace

void bind_conv(py::module_& m, Binder& b) {
  bind_folded(m);
  b.function(
      "conv2d", &conv2d, py::arg("input"), py::arg("weight"), py::arg("bias") = py::none(),
      py::arg("stride") = 1, py::arg("padding") = 0, py::arg("dilation") = 1, py::arg("groups") = 1,
      "2-d convolution (cross-correlation) of images.\n\n"
      "Args:\n    padding: zeros on each side, as one number or (height, width); 'valid' for none; 'same' "
      "for as many as keep\n"
      "        the size (stride 1 only; an odd one goes to the end).\n\n"
      "Shapes:\n    input ``(N, C, H, W)`` or ``(C, H, W)``, weight ``(O, C / groups, KH, KW)``, bias "
      "``(O,)``,\n"
      "    result ``(N, O, H', W')`` with H' = (H + 2 * padding - dilation * (KH - 1) - 1) // stride + 1\n\n"
      "Raises:\n    RuntimeError: if sizes or dtypes do not match, or the kernel does not fit the padded "
      "input.\n\n"
      "Source:\n    torch.nn.functional.conv2d");
  b.function("conv2d_fused", &conv2d_fused, py::arg("input"), py::arg("weight"), py::arg("bias") = py::none(),
             py::arg("stride") = 1, py::arg("padding") = 0, py::arg("dilation") = 1, py::arg("groups") = 1,
             py::kw_only(), py::arg("residual") = py::none(), py::arg("relu") = false,
             "``relu(conv2d(input, weight, bias, ...) + residual)`` in one pass over the result, for "
             "inference.\n\n"
             "It has no backward and refuses operands that require gradients, unless under ``no_grad``.\n\n"
             "Args:\n    residual: added before ReLU, as large as the result.\n    relu: whether to clamp at "
             "zero.\n\n"
             "Shapes:\n    as conv2d; input ``(N, C, H, W)`` only, residual ``(N, O, H', W')``\n\n"
             "Raises:\n    RuntimeError: if sizes or dtypes do not match, or a graph would be needed.");
  b.function("conv1d", autocast<Cast::Lower>(&conv1d), py::arg("input"), py::arg("weight"),
             py::arg("bias") = py::none(), py::arg("stride") = 1, py::arg("padding") = 0,
             py::arg("dilation") = 1, py::arg("groups") = 1,
             "1-d convolution (cross-correlation) of signals.\n\n"
             "Shapes:\n    input ``(N, C, L)`` or ``(C, L)``, weight ``(O, C / groups, K)``, bias ``(O,)``, "
             "result ``(N, O, L')``\n\n"
             "Raises:\n    RuntimeError: as conv2d.\n\n"
             "Source:\n    torch.nn.functional.conv1d");
  b.function("conv_transpose2d", autocast<Cast::Lower>(&conv_transpose2d), py::arg("input"),
             py::arg("weight"), py::arg("bias") = py::none(), py::arg("stride") = 1, py::arg("padding") = 0,
             py::arg("output_padding") = 0, py::arg("groups") = 1, py::arg("dilation") = 1,
             "Transposed 2-d convolution: the adjoint of conv2d with the same parameters.\n\n"
             "Shapes:\n    input ``(N, C, H, W)`` or ``(C, H, W)``, weight ``(C, O / groups, KH, KW)``, bias "
             "``(O,)``, result\n"
             "    ``(N, O, H', W')`` with H' = (H - 1) * stride - 2 * padding + dilation * (KH - 1) + "
             "output_padding + 1\n\n"
             "Raises:\n    RuntimeError: if sizes or dtypes do not match, or the result would be empty.\n\n"
             "Source:\n    torch.nn.functional.conv_transpose2d");
}

}  // namespace rushlight::bindings

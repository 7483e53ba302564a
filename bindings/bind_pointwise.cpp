// Elementwise functions of one tensor, comparison and bits, selection and bounds, activations.
#include "bind.h"
#include "rushlight/ops/activation.h"
#include "rushlight/ops/comparison.h"
#include "rushlight/ops/ternary.h"
#include "rushlight/ops/unary.h"

namespace rushlight::bindings {
namespace {

using ops::Number;
using MaybeOperand = std::optional<Operand>;

constexpr const char* kSameShape = "\n\nShapes:\n    any -> the same\n";
constexpr const char* kBroadcast = "\n\nShapes:\n    all tensors broadcast together.\n";

Tensor tensor_of(const MaybeOperand& operand) { return operand.has_value() ? operand->tensor : Tensor(); }

std::string unary_doc(const ops::UnaryRule& rule) {
  const bool widens = rule.integers == ops::Integers::ToFloat;
  const char* result = rule.grad_name == nullptr && rule.op != ops::ElementwiseOp::BitwiseNot ? "bool"
                       : widens ? "input's type; integers give the default floating type"
                                : "input's type";
  const char* raises = rule.op == ops::ElementwiseOp::Neg || rule.op == ops::ElementwiseOp::Relu
                           ? "RuntimeError: for bool tensors."
                       : rule.op == ops::ElementwiseOp::BitwiseNot
                           ? "NotImplementedError: for floating tensors."
                       : rule.integers == ops::Integers::Refuse ? "NotImplementedError: for integer tensors."
                                                                : "TypeError: if input is not a tensor.";
  return str(rule.doc, kSameShape, "\nReturns:\n    Tensor: of ", result, ".\n\nRaises:\n    ", raises);
}

void bind_unary(Binder& b) {
  for (const ops::UnaryRule* rule : ops::unary_rules()) {
    if (rule->op == ops::ElementwiseOp::Round) continue;  // takes decimals, below
    const auto plain = [rule](const Tensor& input) { return ops::unary(*rule, input); };
    b.both(rule->name, plain, unary_doc(*rule).c_str());
    if (rule->grad_name == nullptr && rule->op != ops::ElementwiseOp::BitwiseNot &&
        rule->op != ops::ElementwiseOp::LogicalNot)
      continue;
    b.method(
        str(rule->name, "_").c_str(), [rule](const Tensor& self) { return ops::unary(*rule, self, true); },
        str(rule->name, "() in place.").c_str());
  }
  const auto round_doc =
      str("The nearest integer, or the nearest multiple of 10**-decimals; half to even.", kSameShape,
          "\nRaises:\n    NotImplementedError: for integer tensors with decimals.");
  b.both(
      "round", [](const Tensor& input, int64_t decimals) { return ops::round(input, decimals); },
      py::kw_only(), py::arg("decimals") = 0, round_doc.c_str());
  b.method(
      "round_", [](const Tensor& self, int64_t decimals) { return ops::round(self, decimals, true); },
      py::kw_only(), py::arg("decimals") = 0, "round() in place.");
  const auto square_doc = str("x * x.", kSameShape, "\nRaises:\n    TypeError: if input is not a tensor.");
  b.both("square", [](const Tensor& input) { return ops::square(input); }, square_doc.c_str());
  b.method("square_", [](const Tensor& self) { return ops::square(self, true); }, "square() in place.");
  b.method("__abs__", &ops::abs, py::is_operator());
  b.method("__pos__", [](const Tensor& self) { return self; }, py::is_operator());
  b.method("__invert__", &ops::bitwise_not, py::is_operator());
}

void bind_relations(Binder& b) {
  const auto symbols = [](const std::string& name) -> std::vector<const char*> {
    if (name == "eq" || name == "ne" || name == "lt" || name == "le" || name == "gt" || name == "ge")
      return {"__", nullptr, nullptr};
    if (name == "bitwise_and") return {"__and__", "__rand__", "__iand__"};
    if (name == "bitwise_or") return {"__or__", "__ror__", "__ior__"};
    if (name == "bitwise_xor") return {"__xor__", "__rxor__", "__ixor__"};
    if (name == "bitwise_left_shift") return {"__lshift__", "__rlshift__", "__ilshift__"};
    if (name == "bitwise_right_shift") return {"__rshift__", "__rrshift__", "__irshift__"};
    return {};
  };
  for (const ops::RelationRule& rule : ops::relation_rules()) {
    const auto plain = [&rule](const Tensor& a, const Operand& other) {
      return ops::relation(rule, a, other);
    };
    const auto in_place = [&rule](const Tensor& a, const Operand& other) {
      return ops::relation(rule, a, other, true);
    };
    const auto function = [&rule](const Operand& input, const Operand& other) {
      return ops::relation(rule, input, other);
    };
    const auto text =
        str(rule.doc, kBroadcast, "\nRaises:\n    RuntimeError: if the shapes do not broadcast.");
    b.function(rule.name, function, py::arg("input"), py::arg("other"), text.c_str());
    b.method(rule.name, plain, py::arg("other"), text.c_str());
    b.method(str(rule.name, "_").c_str(), in_place, py::arg("other"), str(rule.name, "() in place.").c_str());
    const std::vector<const char*> names = symbols(rule.name);
    if (names.empty()) continue;
    if (names[1] == nullptr) {  // Python reflects comparisons by itself
      b.method(str("__", rule.name, "__").c_str(), plain, py::is_operator());
      continue;
    }
    const auto reflected = [&rule](const Tensor& a, const Operand& other) {
      return ops::relation(rule, other, a);
    };
    b.method(names[0], plain, py::is_operator()).method(names[1], reflected, py::is_operator());
    b.method(names[2], in_place, py::is_operator());
  }
  const auto close_doc = str("|input - other| <= atol + rtol * |other|, element by element.", kBroadcast,
                             "\nRaises:\n    RuntimeError: if the types differ or a tolerance is negative.");
  b.both("isclose", &ops::isclose, py::arg("other"), py::arg("rtol") = 1e-5, py::arg("atol") = 1e-8,
         py::arg("equal_nan") = false, close_doc.c_str());
  const auto all_doc =
      str("Whether all elements are close, as isclose().", kBroadcast,
          "\nReturns:\n    bool\n\nRaises:\n    RuntimeError: if the types differ or a tolerance is "
          "negative.");
  b.both("allclose", &ops::allclose, py::arg("other"), py::arg("rtol") = 1e-5, py::arg("atol") = 1e-8,
         py::arg("equal_nan") = false, all_doc.c_str());
  b.both("equal", &ops::equal, py::arg("other"),
         "Whether two tensors have the same shape and elements.\n\nShapes:\n    any, any -> a bool\n\n"
         "Raises:\n    TypeError: if other is not a tensor.");
}

// Bounds are checked by ops::clamp, so every argument may be left out.
void bind_clamp(Binder& b) {
  const auto clamp = [](const Tensor& input, const MaybeOperand& min, const MaybeOperand& max) {
    return ops::clamp(input, tensor_of(min), tensor_of(max));
  };
  const auto clamp_ = [](const Tensor& self, const MaybeOperand& min, const MaybeOperand& max) {
    return ops::clamp(self, tensor_of(min), tensor_of(max), true);
  };
  const auto text =
      str("min(max(input, min), max); bounds are numbers or tensors, either may be None.", kBroadcast,
          "\nRaises:\n    RuntimeError: if both bounds are None or the shapes do not broadcast.");
  for (const char* name : {"clamp", "clip"}) {
    b.both(name, clamp, py::arg("min") = py::none(), py::arg("max") = py::none(), text.c_str());
    b.method(str(name, "_").c_str(), clamp_, py::arg("min") = py::none(), py::arg("max") = py::none(),
             "clamp() in place.");
  }
  const auto low =
      str("max(input, min).", kBroadcast, "\nRaises:\n    RuntimeError: if the shapes do not broadcast.");
  const auto high =
      str("min(input, max).", kBroadcast, "\nRaises:\n    RuntimeError: if the shapes do not broadcast.");
  b.both(
      "clamp_min", [](const Tensor& a, const Operand& min) { return ops::clamp_min(a, min); }, py::arg("min"),
      low.c_str());
  b.both(
      "clamp_max", [](const Tensor& a, const Operand& max) { return ops::clamp_max(a, max); }, py::arg("max"),
      high.c_str());
  b.method(
      "clamp_min_", [](const Tensor& a, const Operand& min) { return ops::clamp_min(a, min, true); },
      py::arg("min"), "clamp_min() in place.");
  b.method(
      "clamp_max_", [](const Tensor& a, const Operand& max) { return ops::clamp_max(a, max, true); },
      py::arg("max"), "clamp_max() in place.");
}

void bind_selection(Binder& b) {
  const auto where_doc =
      str("input where condition is true, other elsewhere.", kBroadcast,
          "\nRaises:\n    RuntimeError: if condition is not bool or the shapes do not broadcast.");
  b.function(
      "where",
      [](const Tensor& condition, const Operand& input, const Operand& other) {
        return ops::where(condition, input, other);
      },
      py::arg("condition"), py::arg("input"), py::arg("other"), where_doc.c_str());
  b.method(
      "where",
      [](const Tensor& self, const Tensor& condition, const Operand& other) {
        return ops::where(condition, self, other);
      },
      py::arg("condition"), py::arg("other"), where_doc.c_str());
  const auto fill_doc =
      str("value where mask is true, input elsewhere.", kBroadcast,
          "\nRaises:\n    RuntimeError: if mask is not bool, value is no number or 0-d tensor, or its "
          "kind is above input's.");
  b.both(
      "masked_fill",
      [](const Tensor& a, const Tensor& mask, const Operand& value) {
        return ops::masked_fill(a, mask, value);
      },
      py::arg("mask"), py::arg("value"), fill_doc.c_str());
  b.method(
      "masked_fill_",
      [](const Tensor& a, const Tensor& mask, const Operand& value) {
        return ops::masked_fill(a, mask, value, true);
      },
      py::arg("mask"), py::arg("value"), "masked_fill() in place.");
}

using Fused = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const Number&, bool);

void bind_fused(Binder& b) {
  const struct {
    const char* name;
    Fused op;
    const char* summary;
  } all[] = {{"addcmul", &ops::addcmul, "input + value * tensor1 * tensor2."},
             {"addcdiv", &ops::addcdiv, "input + value * tensor1 / tensor2."}};
  for (const auto& fused : all) {
    const auto text =
        str(fused.summary, kBroadcast,
            "\nRaises:\n    RuntimeError: if the shapes do not broadcast, or value does not fit integers.");
    b.both(
        fused.name,
        [op = fused.op](const Tensor& input, const Tensor& tensor1, const Tensor& tensor2,
                        const Number& value) { return op(input, tensor1, tensor2, value, false); },
        py::arg("tensor1"), py::arg("tensor2"), py::kw_only(), py::arg("value") = 1, text.c_str());
    b.method(
        str(fused.name, "_").c_str(),
        [op = fused.op](const Tensor& self, const Tensor& tensor1, const Tensor& tensor2,
                        const Number& value) { return op(self, tensor1, tensor2, value, true); },
        py::arg("tensor1"), py::arg("tensor2"), py::kw_only(), py::arg("value") = 1, "In place.");
  }
  const auto text = str("input + weight * (end - input); exact at weight 0 and 1.", kBroadcast,
                        "\nRaises:\n    RuntimeError: if the types differ or the shapes do not broadcast.");
  b.both(
      "lerp",
      [](const Tensor& a, const Tensor& end, const Operand& weight) { return ops::lerp(a, end, weight); },
      py::arg("end"), py::arg("weight"), text.c_str());
  b.method(
      "lerp_",
      [](const Tensor& a, const Tensor& end, const Operand& weight) {
        return ops::lerp(a, end, weight, true);
      },
      py::arg("end"), py::arg("weight"), "lerp() in place.");
}

// Functions only: torch has them in nn.functional.
void bind_activations(Binder& b) {
  const auto text = [](const char* summary) {
    return str(summary, kSameShape, "\nRaises:\n    NotImplementedError: for integer tensors.");
  };
  b.function(
      "relu_", [](const Tensor& input) { return ops::relu(input, true); }, py::arg("input"),
      "relu() in place.\n\nShapes:\n    any -> the same\n\nRaises:\n    RuntimeError: for bool tensors.");
  b.function("leaky_relu", &ops::leaky_relu, py::arg("input"), py::arg("negative_slope") = 0.01,
             py::arg("inplace") = false, text("x where positive, negative_slope * x elsewhere.").c_str());
  b.function("elu", &ops::elu, py::arg("input"), py::arg("alpha") = 1.0, py::arg("scale") = 1.0,
             py::arg("input_scale") = 1.0, py::arg("inplace") = false,
             text("scale * x where positive, scale * alpha * (exp(input_scale * x) - 1) elsewhere.").c_str());
  b.function("hardtanh", &ops::hardtanh, py::arg("input"), py::arg("min_val") = -1.0,
             py::arg("max_val") = 1.0, py::arg("inplace") = false,
             text("min(max(x, min_val), max_val).").c_str());
  b.function("hardswish", &ops::hardswish, py::arg("input"), py::arg("inplace") = false,
             text("x * min(max(x + 3, 0), 6) / 6.").c_str());
  b.function("hardsigmoid", &ops::hardsigmoid, py::arg("input"), py::arg("inplace") = false,
             text("min(max(x + 3, 0), 6) / 6.").c_str());
  b.function("silu", &ops::silu, py::arg("input"), py::arg("inplace") = false,
             text("x * sigmoid(x).").c_str());
  b.function("mish", &ops::mish, py::arg("input"), py::arg("inplace") = false,
             text("x * tanh(log(1 + exp(x))).").c_str());
  b.function(
      "gelu",
      [](const Tensor& input, const std::string& approximate) {
        RUSHLIGHT_CHECK(approximate == "none" || approximate == "tanh",
                        "gelu: approximate argument must be either none or tanh, got '", approximate, "'");
        return ops::gelu(input, approximate == "tanh");
      },
      py::arg("input"), py::kw_only(), py::arg("approximate") = "none",
      text("x times the normal distribution function of x, or its tanh approximation.").c_str());
  b.function("softplus", &ops::softplus, py::arg("input"), py::arg("beta") = 1.0, py::arg("threshold") = 20.0,
             text("log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold.").c_str());
  b.function("logsigmoid", &ops::logsigmoid, py::arg("input"), text("log(1 / (1 + exp(-x))).").c_str());
}

}  // namespace

void bind_pointwise(Binder& b) {
  bind_unary(b);
  bind_relations(b);
  bind_clamp(b);
  bind_selection(b);
  bind_fused(b);
  bind_activations(b);
}

}  // namespace rushlight::bindings

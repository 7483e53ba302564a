// Arithmetic: functions and methods; the commonest operators are in operators.cpp.
#include "bind.h"
#include "rushlight/ops/arithmetic.h"

namespace rushlight::bindings {
namespace {

using ops::Number;
using ops::Rounding;
using BinaryOp = Tensor (*)(const Tensor& input, const Tensor& other, bool in_place);

// Summary plus what all broadcasting ops have in common.
std::string doc(const char* summary, const char* raises = "") {
  return str(summary,
             "\n\nShapes:\n    input and other broadcast together.\n\n"
             "Returns:\n    Tensor: of the promoted type; a Python number does not raise the type within its "
             "kind.\n\n"
             "Raises:\n    RuntimeError: if the shapes do not broadcast.\n",
             raises);
}

constexpr const char* kIntegerZero = "    RuntimeError: if an integer is divided by zero.\n";

Rounding rounding_of(const std::optional<std::string>& mode) {
  if (!mode.has_value()) return Rounding::None;
  RUSHLIGHT_CHECK(*mode == "trunc" || *mode == "floor",
                  "div: expected rounding_mode to be one of None, 'trunc', or 'floor' but found '", *mode,
                  "'");
  return *mode == "trunc" ? Rounding::Trunc : Rounding::Floor;
}

// `name` and `name_`; with `symbol` "mod" also __mod__, __rmod__ and __imod__.
void bind_binary(Binder& b, const char* name, BinaryOp op, const std::string& text,
                 const char* symbol = nullptr, const char* second = "other") {
  const auto function = [op](const Operand& input, const Operand& other) { return op(input, other, false); };
  const auto plain = [op](const Tensor& input, const Operand& other) { return op(input, other, false); };
  const auto in_place = [op](const Tensor& self, const Operand& other) { return op(self, other, true); };
  b.function(name, function, py::arg("input"), py::arg(second), text.c_str());
  b.method(name, plain, py::arg(second), text.c_str());
  b.method(str(name, "_").c_str(), in_place, py::arg(second), str(name, "() in place.").c_str());
  if (symbol == nullptr) return;
  b.method(str("__", symbol, "__").c_str(), plain, py::is_operator());
  const auto reflected = [op](const Tensor& self, const Operand& other) { return op(other, self, false); };
  b.method(str("__r", symbol, "__").c_str(), reflected, py::is_operator());
  b.method(str("__i", symbol, "__").c_str(), in_place, py::is_operator());
}

Tensor divide(const Tensor& input, const Tensor& other, bool in_place) {
  return ops::div(input, other, Rounding::None, in_place);
}

void bind_sums(Binder& b) {
  const auto add = [](const Tensor& a, const Operand& other, const Number& alpha) {
    return ops::add(a, other, alpha);
  };
  const auto add_ = [](const Tensor& a, const Operand& other, const Number& alpha) {
    return ops::add(a, other, alpha, true);
  };
  const auto sub = [](const Tensor& a, const Operand& other, const Number& alpha) {
    return ops::sub(a, other, alpha);
  };
  const auto sub_ = [](const Tensor& a, const Operand& other, const Number& alpha) {
    return ops::sub(a, other, alpha, true);
  };
  constexpr const char* raises = "    RuntimeError: if alpha is a float and the result an integer.\n";
  b.both_operands("add", +add, py::arg("other"), py::kw_only(), py::arg("alpha") = 1,
                  doc("input + alpha * other.", raises).c_str());
  b.method("add_", add_, py::arg("other"), py::kw_only(), py::arg("alpha") = 1, "add() in place.");
  b.both_operands("sub", +sub, py::arg("other"), py::kw_only(), py::arg("alpha") = 1,
                  doc("input - alpha * other.",
                      "    RuntimeError: for bool tensors, or if alpha is a float and the result an "
                      "integer.\n")
                      .c_str());
  b.method("sub_", sub_, py::arg("other"), py::kw_only(), py::arg("alpha") = 1, "sub() in place.");
  b.both(
      "rsub",
      [](const Tensor& a, const Operand& other, const Number& alpha) { return ops::rsub(a, other, alpha); },
      py::arg("other"), py::kw_only(), py::arg("alpha") = 1,
      doc("other - alpha * input.", "    RuntimeError: for bool tensors.\n").c_str());
}

void bind_quotients(Binder& b) {
  const auto div = [](const Tensor& a, const Operand& other, const std::optional<std::string>& mode) {
    return ops::div(a, other, rounding_of(mode));
  };
  const auto div_ = [](const Tensor& a, const Operand& other, const std::optional<std::string>& mode) {
    return ops::div(a, other, rounding_of(mode), true);
  };
  const std::string text = doc(
      "The quotient; integers give a float.\n\n"
      "Args:\n    rounding_mode: None for the exact quotient, 'trunc' to round towards zero, 'floor' towards "
      "-infinity.",
      "    RuntimeError: for another rounding_mode, or if an integer is rounded by zero.\n");
  b.both_operands("div", +div, py::arg("other"), py::kw_only(), py::arg("rounding_mode") = py::none(),
                  text.c_str());
  b.method("div_", div_, py::arg("other"), py::kw_only(), py::arg("rounding_mode") = py::none(),
           "div() in place.");
  bind_binary(b, "true_divide", &divide, doc("The quotient; integers give a float."));
  bind_binary(b, "floor_divide", &ops::floor_divide,
              doc("The quotient rounded towards -infinity.", kIntegerZero), "floordiv");
  bind_binary(b, "remainder", &ops::remainder,
              doc("input - other * floor(input / other): the sign is other's, as Python's %.", kIntegerZero),
              "mod");
  bind_binary(b, "fmod", &ops::fmod,
              doc("input - other * trunc(input / other): the sign is input's.", kIntegerZero));
}

}  // namespace

void bind_arithmetic(Binder& b) {
  bind_sums(b);
  bind_binary(b, "mul", &ops::mul, doc("The product."));
  bind_quotients(b);
  bind_binary(b, "pow", &ops::pow,
              doc("input to the power of exponent.",
                  "    RuntimeError: for an integer tensor and a negative integer exponent.\n"),
              nullptr, "exponent");
  bind_binary(b, "atan2", &ops::atan2,
              doc("The angle of the point (other, input), in radians from -pi to pi."));
  bind_binary(b, "hypot", &ops::hypot, doc("sqrt(input**2 + other**2) without overflow."));
  bind_binary(b, "copysign", &ops::copysign, doc("The magnitude of input with the sign of other."));
  bind_binary(b, "xlogy", &ops::xlogy, doc("input * log(other), and 0 where input is 0."));
  const struct {
    const char* name;
    Tensor (*op)(const Tensor&, const Tensor&);
    const char* summary;
  } pairs[] = {{"maximum", &ops::maximum, "The larger of each pair; NaN if either is."},
               {"minimum", &ops::minimum, "The smaller of each pair; NaN if either is."},
               {"fmax", &ops::fmax, "The larger of each pair; a NaN loses."},
               {"fmin", &ops::fmin, "The smaller of each pair; a NaN loses."},
               {"logaddexp", &ops::logaddexp, "log(exp(input) + exp(other)) without overflow."}};
  for (const auto& pair : pairs)
    b.both(
        pair.name, [op = pair.op](const Tensor& input, const Tensor& other) { return op(input, other); },
        py::arg("other"), doc(pair.summary).c_str());
}

}  // namespace rushlight::bindings

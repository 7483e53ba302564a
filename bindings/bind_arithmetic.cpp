#include "bind.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/reduce.h"

namespace rushlight::bindings {

void bind_arithmetic(Binder& b) {
  const auto add = [](const Tensor& a, const Operand& other) { return ops::add(a, other); };
  const auto mul = [](const Tensor& a, const Operand& other) { return ops::mul(a, other); };
  b.both("add", add, py::arg("other"), "Sum.").both("mul", mul, py::arg("other"), "Product.");
  b.method("__add__", add, py::is_operator()).method("__radd__", add, py::is_operator());
  b.method("__mul__", mul, py::is_operator()).method("__rmul__", mul, py::is_operator());
  b.both("sum", [](const Tensor& a) { return ops::sum(a, {}, false); }, "Sum of all elements.");
}

}  // namespace rushlight::bindings

#include "autocast.h"
#include "bind.h"
#include "rushlight/ops/matmul.h"

namespace rushlight::bindings {
namespace {

// Binds beta * input + alpha * (a b) with its two keyword-only factors.
template <class F>
void bind_sum(Binder& b, const char* name, const char* first, const char* second, F f, const char* doc) {
  const auto scaled = [f](const Tensor& input, const Tensor& a, const Tensor& c, double beta, double alpha) {
    return f(input, a, c, ops::Scales{beta, alpha});
  };
  b.both(name, scaled, py::arg(first), py::arg(second), py::kw_only(), py::arg("beta") = 1.0,
         py::arg("alpha") = 1.0, doc);
}

}  // namespace

void bind_matmul(Binder& b) {
  b.both("mm", autocast<Cast::Lower>(&ops::mm), py::arg("mat2"),
         "Matrix product.\n\nShapes:\n    input ``(m, k)``, mat2 ``(k, n)``, result ``(m, n)``\n\n"
         "Raises:\n    RuntimeError: if an operand is not 2-d, or sizes or dtypes do not match.");
  b.both("bmm", autocast<Cast::Lower>(&ops::bmm), py::arg("mat2"),
         "Matrix products of two batches.\n\nShapes:\n    input ``(b, m, k)``, mat2 ``(b, k, n)``, result "
         "``(b, m, n)``\n\n"
         "Raises:\n    RuntimeError: if an operand is not 3-d, or sizes or dtypes do not match.");
  b.both("mv", &ops::mv, py::arg("vec"),
         "Matrix times vector.\n\nShapes:\n    input ``(m, k)``, vec ``(k,)``, result ``(m,)``\n\n"
         "Raises:\n    RuntimeError: if the operands are not 2-d and 1-d, or sizes or dtypes do not match.");
  b.function("dot", &ops::dot, py::arg("input"), py::arg("tensor"),
             "Inner product of two vectors.\n\nShapes:\n    both ``(k,)``, result ``()``\n\n"
             "Raises:\n    RuntimeError: if an operand is not 1-d, or lengths or dtypes differ.");
  b.method("dot", &ops::dot, py::arg("tensor"), "Inner product of two vectors; see rushlight.dot.");
  b.both("outer", &ops::outer, py::arg("vec2"),
         "Outer product of two vectors.\n\nShapes:\n    input ``(m,)``, vec2 ``(n,)``, result ``(m, n)``\n\n"
         "Raises:\n    RuntimeError: if an operand is not 1-d.");
  b.both("matmul", autocast<Cast::Lower>(&ops::matmul), py::arg("other"),
         "Matrix product with broadcasting.\n\n"
         "A 1-d operand is a row on the left and a column on the right, and its dimension is dropped from "
         "the result;\n"
         "leading dimensions broadcast.\n\nShapes:\n    input ``(..., m, k)``, other ``(..., k, n)``, result "
         "``(..., m, n)``\n\n"
         "Raises:\n    RuntimeError: if an operand is 0-d, or sizes or dtypes do not match.");
  b.method("__matmul__", autocast<Cast::Lower>(&ops::matmul), py::is_operator(),
           "The operator ``@``: see rushlight.matmul.");
  bind_sum(b, "addmm", "mat1", "mat2", autocast<Cast::Lower>(&ops::addmm),
           "``beta * input + alpha * (mat1 @ mat2)``; input is not read if beta is 0.\n\n"
           "Shapes:\n    mat1 ``(m, k)``, mat2 ``(k, n)``, input broadcasts to ``(m, n)``, the shape of the "
           "result\n\n"
           "Raises:\n    RuntimeError: if sizes or dtypes do not match.");
  bind_sum(b, "baddbmm", "batch1", "batch2", autocast<Cast::Lower>(&ops::baddbmm),
           "``beta * input + alpha * bmm(batch1, batch2)``; input is not read if beta is 0.\n\n"
           "Shapes:\n    batch1 ``(b, m, k)``, batch2 ``(b, k, n)``, input broadcasts to ``(b, m, n)``, the "
           "shape of the result\n\n"
           "Raises:\n    RuntimeError: if sizes or dtypes do not match.");
  bind_sum(
      b, "addmv", "mat", "vec", &ops::addmv,
      "``beta * input + alpha * mv(mat, vec)``; input is not read if beta is 0.\n\n"
      "Shapes:\n    mat ``(m, k)``, vec ``(k,)``, input broadcasts to ``(m,)``, the shape of the result\n\n"
      "Raises:\n    RuntimeError: if sizes or dtypes do not match.");
  b.function(
      "linear",
      autocast<Cast::Lower>([](const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias) {
        return ops::linear(input, weight, bias.value_or(Tensor()));
      }),
      py::arg("input"), py::arg("weight"), py::arg("bias") = py::none(),
      "``input @ weight.T + bias``.\n\n"
      "Shapes:\n    input ``(..., in_features)``, weight ``(out_features, in_features)``, bias "
      "``(out_features,)``,\n"
      "    result ``(..., out_features)``\n\n"
      "Raises:\n    RuntimeError: if sizes or dtypes do not match.");
}

}  // namespace rushlight::bindings

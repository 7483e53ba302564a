// Python's commonest operators as slots of the Tensor class: no argument parsing, no overload resolution. On
// a tensor of a few elements that is what the time goes into.
#include "bind.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/unary.h"

namespace rushlight::bindings {
namespace {

// A tensor or a Python number; undefined for anything else.
Tensor operand(PyObject* object) {
  if (const auto* held = held_tensor(object)) return Tensor(*held);
  return number_to_tensor(object);
}

Tensor add(const Tensor& a, const Tensor& b) {  // 3 + x is x + 3, in the graph as well
  return a.impl()->wrapped_number ? ops::add(b, a) : ops::add(a, b);
}
Tensor subtract(const Tensor& a, const Tensor& b) {
  return a.impl()->wrapped_number ? ops::rsub(b, a) : ops::sub(a, b);
}
Tensor multiply(const Tensor& a, const Tensor& b) {
  return a.impl()->wrapped_number ? ops::mul(b, a) : ops::mul(a, b);
}
Tensor divide(const Tensor& a, const Tensor& b) {
  return a.impl()->wrapped_number ? ops::mul(ops::reciprocal(b), a) : ops::div(a, b);
}
Tensor power(const Tensor& a, const Tensor& b) { return ops::pow(a, b); }

void add_(const Tensor& self, const Tensor& other) { ops::add(self, other, 1, true); }
void subtract_(const Tensor& self, const Tensor& other) { ops::sub(self, other, 1, true); }
void multiply_(const Tensor& self, const Tensor& other) { ops::mul(self, other, true); }
void divide_(const Tensor& self, const Tensor& other) { ops::div(self, other, ops::Rounding::None, true); }
void power_(const Tensor& self, const Tensor& other) { ops::pow(self, other, true); }

// What rushlight.profiler calls them.
constexpr char kAdd[] = "add", kSub[] = "sub", kMul[] = "mul", kDiv[] = "div", kPow[] = "pow";
constexpr char kAdd_[] = "add_", kSub_[] = "sub_", kMul_[] = "mul_", kDiv_[] = "div_", kPow_[] = "pow_";

template <Tensor (*op)(const Tensor&, const Tensor&), const char* name>
PyObject* binary(PyObject* left, PyObject* right) {
  try {
    const Tensor a = operand(left), b = operand(right);
    if (a.defined() && b.defined()) return python_tensor(traced_call(name, op, a, b));
  } catch (...) {
    set_python_error();
    return nullptr;
  }
  Py_RETURN_NOTIMPLEMENTED;
}

template <void (*op)(const Tensor&, const Tensor&), const char* name>
PyObject* in_place(PyObject* self, PyObject* right) {
  try {
    const Tensor a = operand(self), b = operand(right);
    if (a.defined() && b.defined()) {
      traced_call(name, op, a, b);
      Py_INCREF(self);
      return self;
    }
  } catch (...) {
    set_python_error();
    return nullptr;
  }
  Py_RETURN_NOTIMPLEMENTED;
}

// pow(a, b, modulus) is not defined on tensors.
PyObject* power_slot(PyObject* left, PyObject* right, PyObject* modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return binary<power, kPow>(left, right);
}
PyObject* power_slot_(PyObject* self, PyObject* right, PyObject* modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return in_place<power_, kPow_>(self, right);
}

PyObject* negative_slot(PyObject* self) {
  try {
    return python_tensor(traced_call("neg", ops::neg, operand(self)));
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

}  // namespace

void install_operators(PyHeapTypeObject* type) {
  PyNumberMethods& slots = type->as_number;
  slots.nb_add = binary<add, kAdd>;
  slots.nb_subtract = binary<subtract, kSub>;
  slots.nb_multiply = binary<multiply, kMul>;
  slots.nb_true_divide = binary<divide, kDiv>;
  slots.nb_power = power_slot;
  slots.nb_negative = negative_slot;
  slots.nb_inplace_add = in_place<add_, kAdd_>;
  slots.nb_inplace_subtract = in_place<subtract_, kSub_>;
  slots.nb_inplace_multiply = in_place<multiply_, kMul_>;
  slots.nb_inplace_true_divide = in_place<divide_, kDiv_>;
  slots.nb_inplace_power = power_slot_;
}

}  // namespace rushlight::bindings

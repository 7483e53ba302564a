// How Python values become C++ arguments, once for all ops.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

#include "rushlight/base/dtype.h"
#include "rushlight/ops/scalar.h"
#include "rushlight/tensor/tensor.h"
#include "traced.h"

namespace rushlight::bindings {

namespace py = pybind11;

// The Python class `Tensor` wraps TensorImpl; the caster below turns it into the handle ops take.
using TensorClass = py::class_<TensorImpl, std::shared_ptr<TensorImpl>>;

// A tensor or a Python number, which becomes a 0-d tensor that is weak in type promotion.
struct Operand {
  Tensor tensor;
  operator const Tensor&() const { return tensor; }  // NOLINT(google-explicit-constructor)
};
template <class Visit>
void each_tensor(const Visit& visit, const Operand& operand) {
  each_tensor(visit, operand.tensor);
}
// An int, or a sequence of ints.
struct IntList {
  Dims values;
  operator const Dims&() const { return values; }  // NOLINT(google-explicit-constructor)
};
// An int used twice, or a pair: kernel_size, stride, padding.
struct Pair {
  int64_t first;
  int64_t second;
};
// `device=`: only the CPU exists. None, "cpu", "cpu:0" and torch.device("cpu") are accepted.
struct Device {};

// Makes `tensor` the Python class that the two functions below know.
void install_tensor_class(const TensorClass& tensor);
// The handle inside a Python tensor; null if `object` is none (or its __init__ has not run).
const std::shared_ptr<TensorImpl>* held_tensor(PyObject* object);
// A new reference to the Python object of a defined tensor: always the same one while it lives.
PyObject* python_tensor(const Tensor& tensor);
// Sets the Python error of the C++ exception being handled.
void set_python_error() noexcept;

// The interned Python object of a dtype.
py::object dtype_object(DType dtype);
// True (and the dtype) for a dtype object or one of Python's float, int and bool.
bool load_dtype(py::handle src, DType* dtype);
// The 0-d weak tensor of a Python number (NumPy scalars included); undefined if it is none.
Tensor number_to_tensor(py::handle src);
// The same as a plain value; false if src is no number.
bool load_number(py::handle src, ops::Number* number);
// Collects view(2, 3), view((2, 3)) and view(size) alike; `what` names the function in the error.
Dims sizes_from_args(const py::args& args, const char* what);
// torch.Size of the sizes.
py::object make_size(const Dims& sizes);

// A member function of Tensor as a free one, which is what the Python class (over TensorImpl) takes.
template <auto Member>
constexpr auto member = [](const Tensor& self) { return (self.*Member)(); };

// Defines an op once as a function and as a Tensor method, or as one of them. The first parameter is
// called `input` in the function and is `self` in the method. Calls are seen by rushlight.profiler
// (traced.h).
struct Binder {
  py::module_ ops;
  TensorClass tensor;

  template <class F, class... Extra>
  Binder& both(const char* name, F f, const Extra&... extra) {
    const auto seen = traced(name, f);
    ops.def(name, seen, py::arg("input"), extra...);
    tensor.def(name, seen, extra...);
    return *this;
  }
  // The same where the function, not the method, also takes a number first: sub(1, x).
  template <class... Rest, class... Extra>
  Binder& both_operands(const char* name, Tensor (*f)(const Tensor&, Rest...), const Extra&... extra) {
    const auto function = [f](const Operand& input, Rest... rest) { return f(input, rest...); };
    ops.def(name, function, py::arg("input"), extra...);
    tensor.def(name, f, extra...);
    return *this;
  }
  template <class F, class... Extra>
  Binder& function(const char* name, F f, const Extra&... extra) {
    ops.def(name, traced(name, f), extra...);
    return *this;
  }
  template <class F, class... Extra>
  Binder& method(const char* name, F f, const Extra&... extra) {
    tensor.def(name, traced(name, f), extra...);
    return *this;
  }
};

}  // namespace rushlight::bindings

namespace pybind11::detail {

template <>
struct type_caster<rushlight::Tensor> {
  PYBIND11_TYPE_CASTER(rushlight::Tensor, const_name("Tensor"));
  bool load(handle src, bool) {
    const auto* held = rushlight::bindings::held_tensor(src.ptr());
    if (held == nullptr) return false;
    value = rushlight::Tensor(*held);
    return true;
  }
  static handle cast(const rushlight::Tensor& src, return_value_policy, handle) {
    return src.defined() ? handle(rushlight::bindings::python_tensor(src)) : none().release();
  }
};

template <>
struct type_caster<rushlight::bindings::Operand> {
  PYBIND11_TYPE_CASTER(rushlight::bindings::Operand, const_name("Tensor | float | int | bool"));
  bool load(handle src, bool convert) {
    type_caster<rushlight::Tensor> tensor;
    if (tensor.load(src, convert))
      value.tensor = static_cast<rushlight::Tensor&>(tensor);
    else
      value.tensor = rushlight::bindings::number_to_tensor(src);
    return value.tensor.defined();
  }
};

// Like Operand, but a number that is a parameter (alpha, value), not an operand.
template <>
struct type_caster<rushlight::ops::Number> {
  PYBIND11_TYPE_CASTER(rushlight::ops::Number, const_name("float | int | bool"));
  bool load(handle src, bool) { return rushlight::bindings::load_number(src, &value); }
};

template <>
struct type_caster<rushlight::DType> {
  PYBIND11_TYPE_CASTER(rushlight::DType, const_name("dtype"));
  bool load(handle src, bool) { return rushlight::bindings::load_dtype(src, &value); }
  static handle cast(rushlight::DType src, return_value_policy, handle) {
    return rushlight::bindings::dtype_object(src).release();
  }
};

template <>
struct type_caster<rushlight::Dims> {
  PYBIND11_TYPE_CASTER(rushlight::Dims, const_name("tuple[int, ...]"));
  bool load(handle src, bool) {
    if (!PyTuple_Check(src.ptr()) && !PyList_Check(src.ptr())) return false;
    value.clear();
    for (const handle item : reinterpret_borrow<sequence>(src)) {
      if (!PyIndex_Check(item.ptr())) return false;
      const Py_ssize_t number = PyNumber_AsSsize_t(item.ptr(), PyExc_OverflowError);
      if (number == -1 && PyErr_Occurred() != nullptr) throw error_already_set();
      value.push_back(number);
    }
    return true;
  }
  static handle cast(const rushlight::Dims& src, return_value_policy, handle) {
    tuple result(src.size());
    for (size_t i = 0; i < src.size(); ++i) result[i] = int_(src[i]);
    return result.release();
  }
};

template <>
struct type_caster<rushlight::bindings::IntList> {
  PYBIND11_TYPE_CASTER(rushlight::bindings::IntList, const_name("int | tuple[int, ...]"));
  bool load(handle src, bool convert) {
    if (PyIndex_Check(src.ptr()) && !PyBool_Check(src.ptr())) {
      const Py_ssize_t number = PyNumber_AsSsize_t(src.ptr(), PyExc_OverflowError);
      if (number == -1 && PyErr_Occurred() != nullptr) throw error_already_set();
      value.values = {number};
      return true;
    }
    type_caster<rushlight::Dims> dims;
    if (!dims.load(src, convert)) return false;
    value.values = static_cast<rushlight::Dims&>(dims);
    return true;
  }
};

template <>
struct type_caster<rushlight::bindings::Pair> {
  PYBIND11_TYPE_CASTER(rushlight::bindings::Pair, const_name("int | tuple[int, int]"));
  bool load(handle src, bool convert) {
    type_caster<rushlight::bindings::IntList> list;
    if (!list.load(src, convert)) return false;
    const rushlight::Dims& values = static_cast<rushlight::bindings::IntList&>(list).values;
    if (values.empty() || values.size() > 2) return false;
    value = {values[0], values[values.size() - 1]};
    return true;
  }
};

template <>
struct type_caster<rushlight::bindings::Device> {
  PYBIND11_TYPE_CASTER(rushlight::bindings::Device, const_name("device"));
  bool load(handle src, bool) {
    if (src.is_none()) return true;
    const std::string given = str(src);
    if (given == "cpu" || given == "cpu:0") return true;
    throw rushlight::Error(
        rushlight::str("rushlight runs on the CPU only: expected device 'cpu', got '", given, "'"));
  }
};

}  // namespace pybind11::detail

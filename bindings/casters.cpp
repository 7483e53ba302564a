#include "casters.h"

#include <array>

#include "rushlight/ops/pointwise.h"

namespace rushlight::bindings {
namespace {

struct DTypeObject {
  DType value;
};

std::array<PyObject*, kNumDTypes>& interned() {
  static std::array<PyObject*, kNumDTypes> objects{};
  return objects;
}

}  // namespace

void bind_dtype(py::module_& m) {
  py::class_<DTypeObject>(m, "dtype", "The type of a tensor's elements.")
      .def("__repr__", [](const DTypeObject& d) { return str("torch.", dtype_name(d.value)); })
      .def("__reduce__", [](const DTypeObject& d) { return py::str(dtype_name(d.value)); })
      .def_property_readonly("is_floating_point", [](const DTypeObject& d) { return is_floating(d.value); })
      .def_property_readonly("is_complex", [](const DTypeObject&) { return false; })
      .def_property_readonly(
          "is_signed", [](const DTypeObject& d) { return d.value != DType::Bool && d.value != DType::UInt8; })
      .def_property_readonly("itemsize", [](const DTypeObject& d) { return dtype_size(d.value); });
  for (int i = 0; i < kNumDTypes; ++i) {
    const auto dtype = static_cast<DType>(i);
    py::object object = py::cast(DTypeObject{dtype});
    m.attr(dtype_name(dtype)) = object;
    interned()[i] = object.release().ptr();
  }
  const std::pair<const char*, DType> aliases[] = {{"float", DType::Float32}, {"double", DType::Float64},
                                                   {"half", DType::Float16},  {"long", DType::Int64},
                                                   {"int", DType::Int32},     {"short", DType::Int16}};
  for (const auto& [name, dtype] : aliases) m.attr(name) = dtype_object(dtype);
}

py::object dtype_object(DType dtype) {
  return py::reinterpret_borrow<py::object>(interned()[static_cast<int>(dtype)]);
}

bool load_dtype(py::handle src, DType* dtype) {
  for (int i = 0; i < kNumDTypes; ++i)
    if (interned()[i] == src.ptr()) {
      *dtype = static_cast<DType>(i);
      return true;
    }
  if (src.ptr() == reinterpret_cast<PyObject*>(&PyFloat_Type))
    *dtype = DType::Float64;
  else if (src.ptr() == reinterpret_cast<PyObject*>(&PyLong_Type))
    *dtype = DType::Int64;
  else if (src.ptr() == reinterpret_cast<PyObject*>(&PyBool_Type))
    *dtype = DType::Bool;
  else
    return false;
  return true;
}

namespace {

using py::detail::value_and_holder;
using Holder = std::shared_ptr<TensorImpl>;

// Set once, then read only.
PyTypeObject* tensor_class = nullptr;
const py::detail::type_info* tensor_info = nullptr;

// The only bound C++ class among a tensor's bases: its value and holder come first.
value_and_holder slot_of(py::detail::instance* instance) { return {instance, tensor_info, 0, 0}; }

// Note [Python objects of tensors]
// Every op makes one and most live for a moment, so they do without pybind11's table of instances: the tensor
// itself knows its Python object. Both functions run under the GIL.
void let_go(value_and_holder& slot) {
  if (!slot.holder_constructed()) return;
  Holder& held = slot.holder<Holder>();
  if (held->python == slot.inst) held->python = nullptr;
  const py::error_scope scope;  // destructors may run Python code; an error being raised must survive it
  held.~Holder();
  slot.set_holder_constructed(false);
  slot.value_ptr() = nullptr;
}

void hold(py::detail::instance* instance, const void* holder) {
  value_and_holder slot = slot_of(instance);
  if (slot.holder_constructed()) let_go(slot);  // __init__ called once more
  auto* const held = new (&slot.holder<Holder>()) Holder(*static_cast<const Holder*>(holder));
  slot.value_ptr() = held->get();
  slot.set_holder_constructed();
  (*held)->python = instance;
}

}  // namespace

void install_tensor_class(const TensorClass& tensor) {
  tensor_class = reinterpret_cast<PyTypeObject*>(tensor.ptr());
  auto* const info = py::detail::get_type_info(tensor_class);
  info->init_instance = hold;
  info->dealloc = let_go;
  tensor_info = info;
}

const Holder* held_tensor(PyObject* object) {
  if (Py_TYPE(object) != tensor_class && PyType_IsSubtype(Py_TYPE(object), tensor_class) == 0) return nullptr;
  value_and_holder slot = slot_of(reinterpret_cast<py::detail::instance*>(object));
  return slot.holder_constructed() ? &slot.holder<Holder>() : nullptr;
}

PyObject* python_tensor(const Tensor& tensor) {
  auto* const known = static_cast<PyObject*>(tensor.impl()->python);
  if (known != nullptr && Py_REFCNT(known) > 0) {  // 0: it is being destroyed
    Py_INCREF(known);
    return known;
  }
  PyObject* const object = py::detail::make_new_instance(tensor_class);
  hold(reinterpret_cast<py::detail::instance*>(object), &tensor.shared());
  return object;
}

Tensor number_to_tensor(py::handle src) {
  PyObject* object = src.ptr();
  Tensor result;
  if (PyFloat_Check(object)) {
    result = Tensor::scalar(PyFloat_AS_DOUBLE(object), DType::Float64);
  } else if (PyBool_Check(object)) {
    result = Tensor::scalar(static_cast<int64_t>(object == Py_True), DType::Bool);
  } else if (PyLong_Check(object)) {
    const long long value = PyLong_AsLongLong(object);
    if (value == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
    result = Tensor::scalar(static_cast<int64_t>(value), DType::Int64);
  } else if (py::hasattr(src, "dtype") && py::hasattr(src, "item") && py::hasattr(src, "ndim") &&
             py::int_(src.attr("ndim")).equal(py::int_(0))) {  // a NumPy scalar
    const py::object value = src.attr("item")();
    if (PyFloat_Check(value.ptr()) || PyLong_Check(value.ptr())) return number_to_tensor(value);
    return {};
  } else {
    return {};
  }
  result.impl()->wrapped_number = true;
  return result;
}

bool load_number(py::handle src, ops::Number* number) {
  if (PyFloat_CheckExact(src.ptr())) {
    *number = PyFloat_AS_DOUBLE(src.ptr());
    return true;
  }
  const Tensor tensor = number_to_tensor(src);
  return tensor.defined() && ops::number_of(tensor, number);
}

Dims sizes_from_args(const py::args& args, const char* what) {
  py::detail::make_caster<Dims> caster;
  const bool nested =
      args.size() == 1 && (py::isinstance<py::tuple>(args[0]) || py::isinstance<py::list>(args[0]));
  const py::object sequence = nested ? py::object(args[0]) : py::object(args);
  RUSHLIGHT_CHECK_TYPE(caster.load(sequence, false), what, "(): expected ints or one tuple of ints, got ",
                       std::string(py::repr(args)));
  return py::detail::cast_op<Dims&>(caster);
}

py::object make_size(const Dims& sizes) {
  static PyObject* size_class =
      py::object(py::module_::import("rushlight._size").attr("Size")).release().ptr();
  return py::reinterpret_borrow<py::object>(size_class)(py::cast(sizes));
}

}  // namespace rushlight::bindings

// tensor(), as_tensor() and Tensor(): values from Python become tensors.
#include <limits>

#include "bind.h"
#include "buffer.h"
#include "rushlight/autograd/grad_meta.h"
#include "rushlight/ops/copy.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::bindings {
namespace {

constexpr size_t kMaxDims = 64;

bool is_text(PyObject* object) { return PyUnicode_Check(object) || PyBytes_Check(object); }
bool is_tensor(PyObject* object) { return py::isinstance<TensorImpl>(object); }
bool is_sequence(PyObject* object) {
  if (PyList_CheckExact(object) || PyTuple_CheckExact(object)) return true;
  if (PyFloat_Check(object) || PyLong_Check(object) || is_tensor(object)) return false;
  return PySequence_Check(object) != 0;
}

// The shape of nested sequences, read off the first element of each.
Dims infer_sizes(py::object data) {
  Dims sizes;
  while (is_sequence(data.ptr())) {
    const bool too_deep = sizes.size() == kMaxDims || is_text(data.ptr());
    RUSHLIGHT_CHECK_VALUE(!too_deep, "too many dimensions '", Py_TYPE(data.ptr())->tp_name, "'");
    const Py_ssize_t length = PySequence_Size(data.ptr());
    if (length < 0) throw py::error_already_set();
    sizes.push_back(length);
    if (length == 0) break;
    data = py::reinterpret_steal<py::object>(PySequence_GetItem(data.ptr(), 0));
    if (!data) throw py::error_already_set();
  }
  return sizes;
}

py::object as_fast_sequence(PyObject* object) {
  auto items = py::reinterpret_steal<py::object>(PySequence_Fast(object, "not a sequence"));
  if (!items) throw py::error_already_set();
  return items;
}

// The dtype that holds every value: bool < int64 < the default float type, tensors and NumPy scalars their
// own.
DType infer_dtype(PyObject* object, size_t depth) {
  if (PyFloat_CheckExact(object)) return default_dtype();
  if (PyBool_Check(object)) return DType::Bool;
  if (PyLong_CheckExact(object)) return DType::Int64;
  if (is_tensor(object)) return py::cast<Tensor>(py::handle(object)).dtype();
  if (is_numpy_scalar(object) || is_array(object))
    return from_array(py::module_::import("numpy").attr("asarray")(py::handle(object))).dtype();
  if (PyFloat_Check(object)) return default_dtype();
  if (PyLong_Check(object)) return DType::Int64;
  RUSHLIGHT_CHECK_TYPE(!is_text(object), "new(): invalid data type '", Py_TYPE(object)->tp_name, "'");
  RUSHLIGHT_CHECK_TYPE(!PyComplex_Check(object), "tensor(): complex numbers are not supported");
  RUSHLIGHT_CHECK(is_sequence(object), "Could not infer dtype of ", Py_TYPE(object)->tp_name);
  RUSHLIGHT_CHECK_VALUE(depth < kMaxDims, "too many dimensions '", Py_TYPE(object)->tp_name, "'");
  const py::object items = as_fast_sequence(object);
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(items.ptr());
  if (count == 0) return default_dtype();
  DType dtype = infer_dtype(PySequence_Fast_GET_ITEM(items.ptr(), 0), depth + 1);
  for (Py_ssize_t i = 1; i < count; ++i) {
    const DType other = infer_dtype(PySequence_Fast_GET_ITEM(items.ptr(), i), depth + 1);
    if (other != dtype) dtype = promote(dtype, other);
  }
  return dtype;
}

[[noreturn]] void overflow(DType dtype) {
  throw Error(str("value cannot be converted to type ", dtype_name(dtype), " without overflow"));
}

// Negative numbers may wrap into an unsigned type, as in PyTorch.
template <class T, class V>
T checked_integer(V value) {
  using Limits = std::numeric_limits<T>;
  const auto low = std::is_signed_v<T> ? static_cast<V>(Limits::min()) : -static_cast<V>(Limits::max());
  bool fits = value >= low;
  if constexpr (std::is_floating_point_v<V>)
    fits = fits && value < static_cast<V>(Limits::max() / 2 + 1) * 2;  // 2^bits, exact
  else
    fits = fits && value <= static_cast<V>(Limits::max());
  if (!fits) overflow(DTypeOf<T>::value);
  return static_cast<T>(static_cast<int64_t>(value));
}

template <class T>
T to_value(PyObject* object) {
  if constexpr (std::is_same_v<T, bool>) {
    const int truth = PyObject_IsTrue(object);
    if (truth < 0) throw py::error_already_set();
    return truth != 0;
  } else if constexpr (std::is_integral_v<T>) {
    if (PyFloat_Check(object)) return checked_integer<T>(PyFloat_AS_DOUBLE(object));
    if (is_tensor(object) && is_floating(py::cast<Tensor>(py::handle(object)).dtype()))
      return checked_integer<T>(py::cast<double>(py::handle(object).attr("item")()));
    const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(object));
    if (!index) throw py::error_already_set();
    int overflowed = 0;
    const int64_t value = PyLong_AsLongLongAndOverflow(index.ptr(), &overflowed);
    RUSHLIGHT_CHECK_VALUE(overflowed == 0, "Overflow when unpacking long long");
    return checked_integer<T>(value);
  } else {
    const double value = PyFloat_AsDouble(object);
    if (value == -1.0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
    if constexpr (std::is_same_v<T, double>)
      return value;
    else
      return static_cast<T>(static_cast<float>(value));
  }
}

template <class T>
void fill(PyObject* object, const Dims& sizes, size_t dim, T** out) {
  if (dim == sizes.size()) {
    *(*out)++ = to_value<T>(object);
    return;
  }
  const py::object items = as_fast_sequence(object);
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(items.ptr());
  RUSHLIGHT_CHECK_VALUE(count == sizes[dim], "expected sequence of length ", sizes[dim], " at dim ", dim,
                        " (got ", count, ")");
  for (Py_ssize_t i = 0; i < count; ++i) fill(PySequence_Fast_GET_ITEM(items.ptr(), i), sizes, dim + 1, out);
}

Tensor from_values(const py::object& data, std::optional<DType> dtype) {
  RUSHLIGHT_CHECK_TYPE(!is_text(data.ptr()), "new(): invalid data type '", Py_TYPE(data.ptr())->tp_name, "'");
  const Dims sizes = infer_sizes(data);
  const Tensor out = Tensor::empty(sizes, dtype.has_value() ? *dtype : infer_dtype(data.ptr(), 0));
  dispatch_all(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* next = out.data<T>();
    fill<T>(data.ptr(), sizes, 0, &next);
  });
  return out;
}

// `copy` false: shares memory where it can (as_tensor).
Tensor from_data(const py::object& data, std::optional<DType> dtype, bool copy) {
  if (is_tensor(data.ptr())) {
    const auto source = py::cast<Tensor>(data);
    return ops::to(source, dtype.value_or(source.dtype()), copy);
  }
  if (is_array(data) || is_numpy_scalar(data)) {
    const bool scalar = !is_array(data);
    const py::object array = scalar ? py::module_::import("numpy").attr("asarray")(data) : data;
    if (!copy && !scalar && !py::cast<bool>(array.attr("flags").attr("writeable")))
      warn_readonly("NumPy array");
    const Tensor source = from_array(array);
    const Tensor result = ops::to(source, dtype.value_or(source.dtype()), copy || scalar);
    return copy ? ops::contiguous(result) : result;
  }
  return from_values(data, dtype);
}

Tensor tensor(const py::object& data, std::optional<DType> dtype, Device, bool requires_grad, bool) {
  if (is_tensor(data.ptr()) &&
      PyErr_WarnEx(
          PyExc_UserWarning,
          "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
          "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
          1) != 0)
    throw py::error_already_set();
  const Tensor result = autograd::detach(from_data(data, dtype, true));
  if (requires_grad) autograd::set_requires_grad(result, true);
  return result;
}

// torch.Tensor(...): sizes of an uninitialised tensor, or one sequence of values; always the default dtype.
Tensor legacy_tensor(const py::args& args) {
  if (args.size() == 1 && (is_array(args[0]) || !PyIndex_Check(args[0].ptr())))
    return from_data(args[0], default_dtype(), true);
  return Tensor::empty(args.empty() ? Dims{0} : sizes_from_args(args, "Tensor"), default_dtype());
}

}  // namespace

void bind_construct(py::module_& m, TensorClass& c) {
  c.def(py::init([](const py::args& args) { return legacy_tensor(args).shared(); }));
  m.def("tensor", &tensor, py::arg("data"), py::kw_only(), py::arg("dtype") = py::none(),
        py::arg("device") = py::none(), py::arg("requires_grad") = false, py::arg("pin_memory") = false,
        "A new tensor with the given values.\n\nArgs:\n    data: a number, (nested) sequences of numbers, a "
        "NumPy array or "
        "scalar, or a tensor; always copied.\n    dtype: by default that of the values; Python floats get "
        "the default "
        "dtype.\n    device: the CPU.\n    requires_grad: record operations on it.\n    pin_memory: accepted "
        "as in PyTorch; "
        "no effect.\n\nRaises:\n    ValueError: if sequences at one level differ in length, or an int "
        "exceeds 64 bits.\n"
        "    TypeError: for text and other values that are no numbers.\n"
        "    RuntimeError: if a value does not fit the dtype.");
  m.def(
      "as_tensor",
      [](const py::object& data, std::optional<DType> dtype, Device) {
        return from_data(data, dtype, false);
      },
      py::arg("data"), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      "A tensor with the given values, on the same memory where possible.\n\nArgs:\n    data: as in "
      "tensor(); tensors are "
      "returned as they are and NumPy arrays are shared, unless dtype differs.\n\nRaises:\n    see "
      "tensor().");
}

}  // namespace rushlight::bindings

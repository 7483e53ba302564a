// Memory shared with NumPy and with whatever has a buffer, and the storage below a tensor.
#include <pybind11/numpy.h>

#include "bind.h"
#include "buffer.h"
#include "rushlight/autograd/grad_meta.h"
#include "rushlight/ops/copy.h"

#include <cstring>

namespace rushlight::bindings {
namespace {

py::object to_array(const Tensor& self) {
  const char* format = buffer_format(self.dtype());
  RUSHLIGHT_CHECK_TYPE(format != nullptr,
                       "Got unsupported ScalarType BFloat16: NumPy has no bfloat16, use float()");
  std::vector<py::ssize_t> shape(self.sizes().begin(), self.sizes().end());
  std::vector<py::ssize_t> strides;
  for (const int64_t stride : self.strides())
    strides.push_back(static_cast<py::ssize_t>(stride * static_cast<int64_t>(dtype_size(self.dtype()))));
  const char* data = self.raw_data();
  // The array keeps the storage, not the tensor, whose data may be replaced.
  const py::capsule owner(new Loan(self.impl()->storage),
                          [](void* held) { delete static_cast<Loan*>(held); });
  return py::array(py::dtype(format), shape, strides, data, owner);
}

py::object numpy(const Tensor& self, bool force) {
  RUSHLIGHT_CHECK(force || !self.requires_grad(),
                  "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
  return to_array(self);
}

py::object array_protocol(const Tensor& self, const py::object& dtype, const py::object& copy) {
  const py::object array = numpy(self, false);
  if (dtype.is_none()) return copy.is(py::bool_(true)) ? array.attr("copy")() : array;
  const py::object wanted = py::module_::import("numpy").attr("dtype")(dtype);
  const bool same = wanted.equal(array.attr("dtype"));
  RUSHLIGHT_CHECK_VALUE(same || !copy.is(py::bool_(false)),
                        "Unable to avoid copy while creating an array of type ", std::string(py::str(dtype)),
                        " from a ", dtype_name(self.dtype()), " tensor");
  return array.attr("astype")(dtype, py::arg("copy") = copy.is(py::bool_(true)));
}

Tensor from_numpy(const py::object& array) {
  RUSHLIGHT_CHECK_TYPE(is_array(array), "expected np.ndarray (got ", Py_TYPE(array.ptr())->tp_name, ")");
  if (!py::cast<bool>(array.attr("flags").attr("writeable"))) warn_readonly("NumPy array");
  return from_array(array);
}

Tensor from_buffer(const py::object& buffer, DType dtype, int64_t count, int64_t offset, bool requires_grad) {
  RUSHLIGHT_CHECK_VALUE(PyObject_CheckBuffer(buffer.ptr()) != 0,
                        "object does not implement Python buffer protocol: got ",
                        Py_TYPE(buffer.ptr())->tp_name);
  const auto itemsize = static_cast<int64_t>(dtype_size(dtype));
  const ForeignBuffer taken = take_buffer(buffer);
  const auto length = static_cast<int64_t>(taken.storage->nbytes());
  RUSHLIGHT_CHECK_VALUE(length > 0 && count != 0, "both buffer length (", length, ") and count (", count,
                        ") must not be 0");
  RUSHLIGHT_CHECK_VALUE(offset >= 0 && offset < length, "offset (", offset,
                        " bytes) must be non-negative and no greater than buffer length (", length,
                        " bytes) minus 1");
  const int64_t left = length - offset;
  RUSHLIGHT_CHECK_VALUE(count > 0 || left % itemsize == 0, "buffer length (", left, " bytes) after offset (",
                        offset, " bytes) must be a multiple of element size (", itemsize, ")");
  if (count < 0) count = left / itemsize;
  RUSHLIGHT_CHECK_VALUE(count <= left / itemsize, "requested buffer length (", count, " * ", itemsize,
                        " bytes) after offset (", offset,
                        " bytes) must not be greater than actual buffer length (", length, " bytes)");
  if (taken.readonly) warn_readonly("buffer");
  // The tensor's storage begins at `offset`, which need not be a multiple of the element size.
  auto storage = std::make_shared<Storage>(taken.storage->data() + offset,
                                           static_cast<size_t>(count * itemsize), [whole = taken.storage] {});
  const Tensor result = tensor_on(std::move(storage), dtype, {count}, {1}, 0);
  if (requires_grad) autograd::set_requires_grad(result, true);
  return result;
}

Tensor storage_bytes(PyObject* self) {
  auto storage = py::cast<std::shared_ptr<Storage>>(py::handle(self));
  const auto nbytes = static_cast<int64_t>(storage->nbytes());
  storage->data();  // plain order from now on
  return tensor_on(std::move(storage), DType::UInt8, {nbytes}, {1}, 0);
}

std::shared_ptr<Storage> new_storage(int64_t nbytes) {
  RUSHLIGHT_CHECK(nbytes >= 0, "UntypedStorage: size must not be negative, got ", nbytes);
  return std::make_shared<Storage>(static_cast<size_t>(nbytes));
}

std::shared_ptr<Storage> copy_storage(Storage& self) {
  auto copy = std::make_shared<Storage>(self.nbytes());
  if (self.nbytes() > 0) std::memcpy(copy->data(), self.data(), self.nbytes());
  return copy;
}

void bind_storage(py::module_& m, TensorClass& tensor) {
  py::class_<Storage, std::shared_ptr<Storage>> c(m, "UntypedStorage",
                                                  "The bytes that a tensor and its views share.");
  c.def(py::init(&new_storage), py::arg("size") = 0, "Uninitialised memory of `size` bytes.")
      .def("nbytes", &Storage::nbytes, "Number of bytes.")
      .def("size", &Storage::nbytes, "Number of bytes.")
      .def("__len__", &Storage::nbytes)
      .def(
          "data_ptr",
          [](Storage& self) {
            self.lend();
            return reinterpret_cast<uintptr_t>(self.data());
          },
          "Address of the bytes.")
      .def("clone", &copy_storage, "A copy.")
      .def("__deepcopy__",
           [](const std::shared_ptr<Storage>& self, py::dict memo) {
             const py::object object = py::cast(self);
             const py::int_ key(reinterpret_cast<uintptr_t>(object.ptr()));  // id(object)
             if (!memo.contains(key)) memo[key] = copy_storage(*self);
             return py::object(memo[key]);
           })
      .def_static(
          "_from_bytes",
          [](const py::bytes& data) {
            const std::string_view bytes = data;
            auto storage = std::make_shared<Storage>(bytes.size());
            if (!bytes.empty()) std::memcpy(storage->data(), bytes.data(), bytes.size());
            return storage;
          },
          "A copy of the bytes.")
      .def_static(
          "_from_buffer", [](const py::object& buffer) { return take_buffer(buffer).storage; },
          "The buffer's own memory.");
  enable_buffer(c, storage_bytes);
  m.def("_tensor_on", &tensor_on, py::arg("storage"), py::arg("dtype"), py::arg("size"), py::arg("stride"),
        py::arg("storage_offset"), "A tensor over a storage; ValueError if it would reach outside.");
  tensor.def(
      "untyped_storage",
      [](const Tensor& self) {
        self.storage().data();  // plain order from now on
        return self.impl()->storage;
      },
      "The memory shared with all views.");
}

}  // namespace

void bind_interop(py::module_& m, TensorClass& tensor) {
  bind_storage(m, tensor);
  enable_buffer(tensor, [](PyObject* self) { return py::cast<Tensor>(py::handle(self)); });
  tensor
      .def("numpy", &numpy, py::kw_only(), py::arg("force") = false,
           "The tensor as a NumPy array on the same memory.\n\nArgs:\n    force: also if it requires grad "
           "(detached).\n\n"
           "Raises:\n    RuntimeError: if it requires grad.\n    TypeError: for bfloat16, which NumPy lacks.")
      .def("__array__", &array_protocol, py::arg("dtype") = py::none(), py::arg("copy") = py::none());
  // NumPy leaves `array * tensor` to the tensor.
  tensor.attr("__array_priority__") = 1000;
  m.def("from_numpy", &from_numpy, py::arg("ndarray"),
        "A tensor on the memory of a NumPy array.\n\nRaises:\n    TypeError: if it is no array, or of a type "
        "that "
        "tensors lack.\n    ValueError: for negative strides and foreign byte order.");
  m.def("frombuffer", &from_buffer, py::arg("buffer"), py::kw_only(), py::arg("dtype"), py::arg("count") = -1,
        py::arg("offset") = 0, py::arg("requires_grad") = false,
        "A one-dimensional tensor on the memory of an object with the buffer protocol.\n\nArgs:\n    count: "
        "number of "
        "elements; negative for all.\n    offset: bytes to skip.\n\nRaises:\n    ValueError: if the buffer "
        "is empty, too "
        "short, or no multiple of the element size.");
}

}  // namespace rushlight::bindings

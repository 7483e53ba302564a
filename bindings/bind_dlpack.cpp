// DLPack both ways: tensors to and from other libraries without a copy.
#include "bind.h"
#include "buffer.h"
#include "dlpack.h"
#include "rushlight/autograd/grad_meta.h"
#include "rushlight/ops/copy.h"

namespace rushlight::bindings {
namespace {

using dlpack::ManagedTensor;
using dlpack::VersionedTensor;

// The capsule's name and its name after the exchange, for both layouts of the struct.
template <class Managed>
constexpr const char* kName = std::is_same_v<Managed, ManagedTensor> ? "dltensor" : "dltensor_versioned";
template <class Managed>
constexpr const char* kUsedName =
    std::is_same_v<Managed, ManagedTensor> ? "used_dltensor" : "used_dltensor_versioned";

dlpack::DataType to_type(DType dtype) {
  const auto bits = static_cast<uint8_t>(dtype_size(dtype) * 8);
  switch (dtype) {
    case DType::Bool: return {dlpack::kBool, bits, 1};
    case DType::UInt8: return {dlpack::kUInt, bits, 1};
    case DType::BFloat16: return {dlpack::kBfloat, bits, 1};
    default: return {is_floating(dtype) ? dlpack::kFloat : dlpack::kInt, bits, 1};
  }
}

DType from_type(const dlpack::DataType& type) {
  for (int i = 0; i < kNumDTypes; ++i) {
    const dlpack::DataType known = to_type(static_cast<DType>(i));
    if (known.code == type.code && known.bits == type.bits && type.lanes == 1) return static_cast<DType>(i);
  }
  throw Error(str("from_dlpack: elements of type code ", int{type.code}, ", ", int{type.bits}, " bits, ",
                  type.lanes, " lanes have no dtype here"));
}

// Owns what an exported struct points to.
template <class Managed>
struct Exported {
  explicit Exported(std::shared_ptr<Storage> storage) : loan(std::move(storage)) {}

  Managed managed{};
  Loan loan;
  Dims shape;
  Dims strides;
};

template <class Managed>
py::capsule export_as(const Tensor& tensor, bool copied) {
  auto* exported = new Exported<Managed>(tensor.impl()->storage);
  exported->shape = tensor.sizes();
  exported->strides = tensor.strides();
  Managed& managed = exported->managed;
  managed.view = {tensor.raw_data(),
                  {dlpack::kCpu, 0},
                  static_cast<int32_t>(tensor.dim()),
                  to_type(tensor.dtype()),
                  exported->shape.data(),
                  exported->strides.data(),
                  0};
  managed.context = exported;
  managed.deleter = [](Managed* self) { delete static_cast<Exported<Managed>*>(self->context); };
  if constexpr (std::is_same_v<Managed, VersionedTensor>) {
    managed.version = {1, 0};
    managed.flags = copied ? dlpack::kCopied : 0;
  }
  // Nobody took it: the capsule deletes it.
  return py::capsule(&managed, kName<Managed>, [](PyObject* capsule) {
    if (PyCapsule_IsValid(capsule, kName<Managed>) == 0) return;
    auto* unused = static_cast<Managed*>(PyCapsule_GetPointer(capsule, kName<Managed>));
    unused->deleter(unused);
  });
}

py::capsule to_dlpack(const Tensor& self, const py::object& stream, const py::object& max_version,
                      const py::object& dl_device, const py::object& copy) {
  const auto refuse = [](const char* message) {
    PyErr_SetString(PyExc_BufferError, message);
    throw py::error_already_set();
  };
  if (self.requires_grad()) refuse("Can't export tensors that require gradient, use tensor.detach()");
  if (!stream.is_none()) refuse("__dlpack__: stream must be None on the CPU");
  if (!dl_device.is_none() && py::cast<std::pair<int32_t, int32_t>>(dl_device).first != dlpack::kCpu)
    refuse("__dlpack__: dl_device must be the CPU, (1, 0)");
  const bool copied = copy.is(py::bool_(true));
  const Tensor tensor = copied ? ops::clone(self) : self;
  const bool versioned = !max_version.is_none() && py::cast<int>(max_version[py::int_(0)]) >= 1;
  return versioned ? export_as<VersionedTensor>(tensor, copied) : export_as<ManagedTensor>(tensor, copied);
}

template <class Managed>
Tensor import_as(const py::object& capsule) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), kName<Managed>));
  const dlpack::View& view = managed->view;
  RUSHLIGHT_CHECK(view.device.type == dlpack::kCpu,
                  "from_dlpack: the tensor must be on the CPU (device type 1), got ", view.device.type);
  const DType dtype = from_type(view.dtype);
  const Dims sizes(view.shape, view.shape + view.ndim);
  const Dims strides =
      view.strides == nullptr ? contiguous_strides(sizes) : Dims(view.strides, view.strides + view.ndim);
  int64_t extent = numel_of(sizes) == 0 ? 0 : 1;
  for (size_t i = 0; i < sizes.size() && extent > 0; ++i) {
    RUSHLIGHT_CHECK_VALUE(strides[i] >= 0, "from_dlpack: strides must not be negative, got ",
                          to_string(strides));
    extent += (sizes[i] - 1) * strides[i];
  }
  if constexpr (std::is_same_v<Managed, VersionedTensor>) {
    if ((managed->flags & dlpack::kReadOnly) != 0) warn_readonly("buffer");
  }
  const auto release = [managed] {
    const py::gil_scoped_acquire gil;  // the producer may be written in Python
    if (managed->deleter != nullptr) managed->deleter(managed);
  };
  PyCapsule_SetName(capsule.ptr(), kUsedName<Managed>);
  auto storage = std::make_shared<Storage>(static_cast<char*>(view.data) + view.byte_offset,
                                           static_cast<size_t>(extent) * dtype_size(dtype), release);
  return Tensor(std::make_shared<TensorImpl>(std::move(storage), sizes, strides, 0, dtype));
}

Tensor from_capsule(const py::object& capsule) {
  if (PyCapsule_IsValid(capsule.ptr(), kName<VersionedTensor>) != 0) {
    const auto* head =
        static_cast<dlpack::Version*>(PyCapsule_GetPointer(capsule.ptr(), kName<VersionedTensor>));
    RUSHLIGHT_CHECK(head->major <= 1, "from_dlpack: DLPack version must be at most 1, got ", head->major);
    return import_as<VersionedTensor>(capsule);
  }
  RUSHLIGHT_CHECK(
      PyCapsule_IsValid(capsule.ptr(), kName<ManagedTensor>) != 0,
      "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so "
      "you might have already constructed a tensor from it once.");
  return import_as<ManagedTensor>(capsule);
}

Tensor from_dlpack(const py::object& source, Device, const py::object& copy) {
  Tensor result;
  if (PyCapsule_CheckExact(source.ptr())) {
    result = from_capsule(source);
  } else {
    RUSHLIGHT_CHECK_TYPE(py::hasattr(source, "__dlpack__"),
                         "from_dlpack: expected an object with __dlpack__ or a "
                         "capsule, got ",
                         Py_TYPE(source.ptr())->tp_name);
    py::object capsule;
    try {
      capsule = source.attr("__dlpack__")(py::arg("max_version") = py::make_tuple(1, 0));
    } catch (py::error_already_set& error) {
      if (!error.matches(PyExc_TypeError)) throw;  // a producer older than DLPack 1.0
      capsule = source.attr("__dlpack__")();
    }
    result = from_capsule(capsule);
  }
  return copy.is(py::bool_(true)) ? ops::clone(result) : result;
}

}  // namespace

void bind_dlpack(py::module_& m, TensorClass& tensor) {
  tensor
      .def("__dlpack__", &to_dlpack, py::kw_only(), py::arg("stream") = py::none(),
           py::arg("max_version") = py::none(), py::arg("dl_device") = py::none(),
           py::arg("copy") = py::none(),
           "A capsule for another library, on the same memory.\n\nRaises:\n    BufferError: if the tensor "
           "requires grad, "
           "or another device is asked for.")
      .def(
          "__dlpack_device__", [](const Tensor&) { return py::make_tuple(dlpack::kCpu, 0); },
          "(1, 0): the CPU.");
  m.def("from_dlpack", &from_dlpack, py::arg("ext_tensor"), py::kw_only(), py::arg("device") = py::none(),
        py::arg("copy") = py::none(),
        "A tensor on the memory of another library's array.\n\nArgs:\n    ext_tensor: an object with "
        "__dlpack__, or its "
        "capsule.\n    copy: True for memory of its own.\n\nRaises:\n    RuntimeError: if it is not on the "
        "CPU, of a type "
        "that tensors lack, or a capsule used before.");
}

}  // namespace rushlight::bindings

#include "buffer.h"

#include <pybind11/numpy.h>

#include <limits>
#include <memory>

namespace rushlight::bindings {
namespace {

// What an exported buffer points to.
struct Export {
  explicit Export(std::shared_ptr<Storage> storage) : loan(std::move(storage)) {}

  Loan loan;
  std::vector<Py_ssize_t> shape;
  std::vector<Py_ssize_t> strides;  // bytes
};

// The type's `find`, kept as a capsule attribute so that subclasses written in Python have it too.
constexpr const char* kFind = "_rushlight_buffer";

int fail(const char* message) {
  PyErr_SetString(PyExc_BufferError, message);
  return -1;
}

bool fortran_contiguous(const Tensor& tensor) {
  int64_t step = 1;
  for (int64_t i = 0; i < tensor.dim(); ++i) {
    if (tensor.sizes()[i] != 1 && tensor.strides()[i] != step) return false;
    step *= tensor.sizes()[i];
  }
  return true;
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  try {
    const auto find = reinterpret_cast<FindTensor>(
        py::reinterpret_borrow<py::capsule>(py::type::of(py::handle(self)).attr(kFind)).get_pointer());
    const Tensor tensor = find(self);
    if (tensor.requires_grad()) return fail("a Tensor that requires grad has no buffer, use tensor.detach()");
    const char* format = buffer_format(tensor.dtype());
    if (format == nullptr) return fail("bfloat16 has no buffer format, use tensor.float()");
    const bool c_order = tensor.is_contiguous();
    const bool wants_c =
        (flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS || (flags & PyBUF_STRIDES) != PyBUF_STRIDES;
    const bool wants_f = (flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS;
    const bool wants_any = (flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS;
    if ((wants_c && !c_order) || (wants_f && !fortran_contiguous(tensor)) ||
        (wants_any && !c_order && !fortran_contiguous(tensor)))
      return fail("the tensor is not contiguous, use tensor.contiguous()");
    auto lent = std::make_unique<Export>(tensor.impl()->storage);
    const auto itemsize = static_cast<Py_ssize_t>(dtype_size(tensor.dtype()));
    view->buf = tensor.raw_data();
    for (int64_t i = 0; i < tensor.dim(); ++i) {
      lent->shape.push_back(tensor.sizes()[i]);
      lent->strides.push_back(tensor.strides()[i] * itemsize);
    }
    view->len = static_cast<Py_ssize_t>(tensor.nbytes());
    view->readonly = 0;
    view->itemsize = itemsize;
    view->format = (flags & PyBUF_FORMAT) != 0 ? const_cast<char*>(format) : nullptr;
    view->ndim = static_cast<int>(tensor.dim());
    view->shape = (flags & PyBUF_ND) != 0 ? lent->shape.data() : nullptr;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? lent->strides.data() : nullptr;
    view->suboffsets = nullptr;
    view->internal = lent.release();
    Py_INCREF(self);
    view->obj = self;
    return 0;
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<Export*>(view->internal); }

py::object numpy_if_loaded() {
  return py::reinterpret_steal<py::object>(PyImport_GetModule(py::str("numpy").ptr()));
}

bool is_instance(py::handle object, const char* numpy_class) {
  const py::object numpy = numpy_if_loaded();
  return numpy && py::isinstance(object, numpy.attr(numpy_class));
}

constexpr char kForeignOrder = '>';  // how NumPy marks it; rushlight runs on little-endian machines only

// The dtype of an ndarray, by kind and size.
bool array_dtype(char kind, int64_t itemsize, DType* dtype) {
  if (kind == 'b')
    *dtype = DType::Bool;
  else if (kind == 'u' && itemsize == 1)
    *dtype = DType::UInt8;
  else if (kind == 'i' && itemsize == 1)
    *dtype = DType::Int8;
  else if (kind == 'i' && itemsize == 2)
    *dtype = DType::Int16;
  else if (kind == 'i' && itemsize == 4)
    *dtype = DType::Int32;
  else if (kind == 'i' && itemsize == 8)
    *dtype = DType::Int64;
  else if (kind == 'f' && itemsize == 2)
    *dtype = DType::Float16;
  else if (kind == 'f' && itemsize == 4)
    *dtype = DType::Float32;
  else if (kind == 'f' && itemsize == 8)
    *dtype = DType::Float64;
  else
    return false;
  return true;
}

}  // namespace

const char* buffer_format(DType dtype) {
  constexpr const char* formats[] = {"?", "B", "b", "h", "i", "q", "e", nullptr, "f", "d"};
  return formats[static_cast<int>(dtype)];
}

void enable_buffer(py::handle type, FindTensor find) {
  type.attr(kFind) = py::capsule(reinterpret_cast<void*>(find));
  auto* heap = reinterpret_cast<PyHeapTypeObject*>(type.ptr());
  heap->as_buffer.bf_getbuffer = get_buffer;
  heap->as_buffer.bf_releasebuffer = release_buffer;
  heap->ht_type.tp_as_buffer = &heap->as_buffer;
  PyType_Modified(&heap->ht_type);
}

std::shared_ptr<Storage> foreign_storage(void* data, size_t nbytes, py::object owner) {
  PyObject* held = owner.release().ptr();
  return std::make_shared<Storage>(data, nbytes, [held] {
    if (Py_IsInitialized() == 0) return;  // the interpreter is gone, and the owner with it
    const py::gil_scoped_acquire gil;
    Py_DECREF(held);
  });
}

ForeignBuffer take_buffer(py::handle object) {
  auto view = std::make_unique<Py_buffer>();
  bool readonly = false;
  if (PyObject_GetBuffer(object.ptr(), view.get(), PyBUF_WRITABLE) != 0) {
    PyErr_Clear();
    if (PyObject_GetBuffer(object.ptr(), view.get(), PyBUF_SIMPLE) != 0) throw py::error_already_set();
    readonly = true;
  }
  // The capsule gives the buffer back to its owner.
  Py_buffer* held = view.release();
  py::capsule owner(held, [](void* pointer) {
    auto* buffer = static_cast<Py_buffer*>(pointer);
    PyBuffer_Release(buffer);
    delete buffer;
  });
  return {foreign_storage(held->buf, static_cast<size_t>(held->len), std::move(owner)), readonly};
}

Tensor tensor_on(std::shared_ptr<Storage> storage, DType dtype, const Dims& sizes, const Dims& strides,
                 int64_t offset) {
  RUSHLIGHT_CHECK_VALUE(sizes.size() == strides.size(), "a tensor needs as many strides as sizes, got sizes ",
                        to_string(sizes), ", strides ", to_string(strides));
  bool fits = offset >= 0;
  int64_t last = offset;
  for (size_t i = 0; i < sizes.size() && fits; ++i) {
    int64_t reach = 0;
    fits = strides[i] >= 0 && sizes[i] >= 0 && !__builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) &&
           !__builtin_add_overflow(last, reach, &last);
  }
  const auto available = static_cast<int64_t>(storage->nbytes() / dtype_size(dtype));
  if (fits) fits = numel_of(sizes) == 0 ? offset <= available : last < available;
  RUSHLIGHT_CHECK_VALUE(fits, "a tensor with sizes ", to_string(sizes), ", strides ", to_string(strides),
                        ", offset ", offset, " does not fit its storage of ", available, " elements");
  return Tensor(std::make_shared<TensorImpl>(std::move(storage), sizes, strides, offset, dtype));
}

bool is_array(py::handle object) { return is_instance(object, "ndarray"); }
bool is_numpy_scalar(py::handle object) { return is_instance(object, "generic"); }

Tensor from_array(const py::handle& array) {
  const auto values = py::reinterpret_borrow<py::array>(array);
  const py::dtype type = values.dtype();
  const auto itemsize = static_cast<int64_t>(type.itemsize());
  DType dtype{};
  RUSHLIGHT_CHECK_TYPE(
      array_dtype(type.kind(), itemsize, &dtype), "can't convert np.ndarray of type numpy.",
      py::cast<std::string>(type.attr("type").attr("__name__")),
      ". The only supported types are: float64, float32, float16, int64, int32, int16, int8, uint8, "
      "and bool.");
  RUSHLIGHT_CHECK_VALUE(
      type.byteorder() != kForeignOrder,
      "given numpy array has byte order different from the native byte order. Conversion between "
      "byte orders is currently not supported.");
  const Dims sizes(values.shape(), values.shape() + values.ndim());
  Dims strides(values.strides(), values.strides() + values.ndim());
  int64_t extent = numel_of(sizes) == 0 ? 0 : 1;  // elements from the first to behind the last
  for (size_t i = 0; i < strides.size(); ++i) {
    RUSHLIGHT_CHECK_VALUE(
        strides[i] >= 0 || extent == 0,
        "At least one stride in the given numpy array is negative, and tensors with negative strides "
        "are not currently supported. (You can probably work around this by making a copy of your "
        "array with array.copy().)");
    RUSHLIGHT_CHECK_VALUE(
        strides[i] % itemsize == 0,
        "given numpy array strides not a multiple of the element byte size. Copy the numpy array to "
        "reallocate the memory.");
    strides[i] /= itemsize;
    if (extent > 0) extent += (sizes[i] - 1) * strides[i];
  }
  if (extent == 0) return Tensor::empty(sizes, dtype);
  // A read-only array is shared too, as in PyTorch; whoever shares it warns.
  auto storage =
      foreign_storage(const_cast<void*>(values.data()), static_cast<size_t>(extent * itemsize), values);
  return tensor_on(std::move(storage), dtype, sizes, strides, 0);
}

void warn_readonly(const char* what) {
  static bool warned = false;  // guarded by the GIL
  if (warned) return;
  const std::string text =
      str("The given ", what,
          " is not writable, and PyTorch does not support non-writable tensors. This means you can "
          "write to the underlying (supposedly non-writable) ",
          what, " using the tensor. You may want to copy the ", what,
          " to protect its data or make it writable before converting it to a tensor. This type of warning "
          "will be "
          "suppressed for the rest of this program.");
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) != 0) throw py::error_already_set();
  warned = true;
}

}  // namespace rushlight::bindings

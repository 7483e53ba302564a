// Memory shared with other Python objects: ours lent out, theirs taken in.
#pragma once

#include <string>

#include "casters.h"

namespace rushlight::bindings {

// Format character of the buffer protocol; null for bfloat16, which has none.
const char* buffer_format(DType dtype);

// Lets `type` export the memory below its instances, which `find` returns as a tensor.
// An exported buffer keeps the storage alive, not only the Python object.
using FindTensor = Tensor (*)(PyObject* self);
void enable_buffer(py::handle type, FindTensor find);

// A storage over memory that `owner` keeps alive.
std::shared_ptr<Storage> foreign_storage(void* data, size_t nbytes, py::object owner);
// A storage over all bytes of a contiguous buffer, held for as long as the storage lives.
struct ForeignBuffer {
  std::shared_ptr<Storage> storage;
  bool readonly;
};
ForeignBuffer take_buffer(py::handle object);

// A tensor on `storage`; throws ValueError if it would reach outside.
Tensor tensor_on(std::shared_ptr<Storage> storage, DType dtype, const Dims& sizes, const Dims& strides,
                 int64_t offset);

// torch.from_numpy; `array` must be an ndarray. Does not warn about read-only memory.
Tensor from_array(const py::handle& array);
// True for a NumPy array or scalar, without importing NumPy.
bool is_array(py::handle object);
bool is_numpy_scalar(py::handle object);

// Warns once in the process, as PyTorch does for memory that must not be written.
void warn_readonly(const char* what);

}  // namespace rushlight::bindings

// What functions that make tensors have in common.
#pragma once

#include "casters.h"
#include "rushlight/autograd/grad_meta.h"

namespace rushlight::bindings {

// The shape given as positional ints, as one sequence, or as size=.
inline Dims sizes_of(const py::args& positional, const std::optional<IntList>& keyword, const char* what) {
  RUSHLIGHT_CHECK_TYPE(!keyword.has_value() || positional.empty(), what, "(): got the size twice, as ",
                       std::string(py::repr(positional)), " and as size=");
  return keyword.has_value() ? keyword->values : sizes_from_args(positional, what);
}

inline Tensor with_grad(const Tensor& tensor, bool requires_grad) {
  if (requires_grad) autograd::set_requires_grad(tensor, true);
  return tensor;
}

}  // namespace rushlight::bindings

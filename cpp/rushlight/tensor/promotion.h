// PyTorch's type promotion (docs: "Tensor Attributes", torch.dtype).
#pragma once

#include <initializer_list>

#include "rushlight/tensor/tensor.h"

namespace rushlight {

// The smallest type both convert to: promote_types.
DType promote(DType a, DType b);

// The type of an op's result: tensors with dimensions outrank 0-d tensors, which outrank Python
// numbers, unless the lower rank is of a higher kind (bool < integer < float). Undefined tensors are skipped.
DType result_type(std::initializer_list<const Tensor*> operands);
inline DType result_type(const Tensor& a, const Tensor& b) { return result_type({&a, &b}); }

// The type of floating results made without one: torch.get_default_dtype.
DType default_dtype();
// Throws TypeError unless it is a floating type.
void set_default_dtype(DType dtype);
// `dtype` itself if floating, else the default type: what exp() of an integer tensor returns.
inline DType floating_type(DType dtype) { return is_floating(dtype) ? dtype : default_dtype(); }

}  // namespace rushlight

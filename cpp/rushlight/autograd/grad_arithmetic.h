// The few ops the engine itself needs. Declared here, defined in ops/grad_arithmetic.cpp, because
// autograd may not include ops. All are differentiable.
#pragma once

#include "rushlight/tensor/tensor.h"

namespace rushlight::autograd {

Tensor grad_add(const Tensor& a, const Tensor& b);
void grad_add_inplace(const Tensor& self, const Tensor& other);  // no graph
Tensor grad_clone(const Tensor& tensor);
Tensor grad_cast(const Tensor& tensor, DType dtype);
// Sums broadcast dimensions away until the shape is `sizes`.
Tensor grad_sum_to(const Tensor& tensor, const Dims& sizes);
Tensor grad_ones(const Dims& sizes, DType dtype);
Tensor grad_zeros(const Dims& sizes, DType dtype);
// `base` of the given geometry, read as (sizes, strides, offset) of the same storage.
struct Geometry {
  Dims sizes;
  Dims strides;
  int64_t offset = 0;
};
Tensor grad_as_strided(const Tensor& tensor, const Geometry& base, const Geometry& view);
// `tensor` with the elements of the view replaced by `source`.
Tensor grad_as_strided_scatter(const Tensor& tensor, const Tensor& source, const Geometry& base,
                               const Geometry& view);
// Zeros of the geometry `base` to which every element of `grad` is added where `view` shows it: the
// adjoint of reading a view in which elements may repeat.
Tensor grad_as_strided_accumulate(const Tensor& grad, const Geometry& base, const Geometry& view);
bool has_nan(const Tensor& tensor);

}  // namespace rushlight::autograd

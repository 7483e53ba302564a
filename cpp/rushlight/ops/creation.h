// Tensors from numbers, triangles of matrices, filling (empty, zeros and full: tensor.h, copy.h).
#pragma once

#include "rushlight/ops/scalar.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// start, start + step, ... below (step > 0) or above (step < 0) end
Tensor arange(const Number& start, const Number& end, const Number& step, DType dtype);
// `steps` values from start to end, both included
Tensor linspace(double start, double end, int64_t steps, DType dtype);
// base to the power of linspace
Tensor logspace(double start, double end, int64_t steps, double base, DType dtype);
Tensor eye(int64_t n, int64_t m, DType dtype);

// The elements on and below (tril) or above (triu) a diagonal of the last two dimensions; the rest is 0.
Tensor tril(const Tensor& input, int64_t diagonal);
Tensor triu(const Tensor& input, int64_t diagonal);

// In place: every element becomes `value`.
Tensor fill_(const Tensor& self, const Tensor& value);
Tensor zero_(const Tensor& self);

}  // namespace rushlight::ops

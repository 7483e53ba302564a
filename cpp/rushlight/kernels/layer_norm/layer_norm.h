// Layer normalisation: each row of contiguous (rows, n) data by its own mean and variance. float32 and
// float64.
#pragma once

#include <cstdint>

#include "rushlight/base/dtype.h"

namespace rushlight::kernels {

struct LayerNormShape {
  DType dtype;
  int64_t rows;
  int64_t n;
};

// dst = (src - mean) * inverse * weight + bias; weight and bias hold n values or are null. `mean` and
// `inverse` (1 / sqrt(variance + eps)) receive one value a row.
void layer_norm(const LayerNormShape& shape, const void* src, const void* weight, const void* bias,
                double eps, void* dst, double* mean, double* inverse);

// The gradients, null where not wanted: of src, and of weight and bias as sums over the rows in double.
void layer_norm_backward(const LayerNormShape& shape, const void* src, const void* grad, const void* weight,
                         const double* mean, const double* inverse, void* grad_src, double* grad_weight,
                         double* grad_bias);

}  // namespace rushlight::kernels

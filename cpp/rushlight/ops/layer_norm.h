// Layer normalisation.
#pragma once

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// (x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, whose sizes are `normalized_shape`;
// weight and bias have this shape or are undefined.
Tensor layer_norm(const Tensor& input, const Dims& normalized_shape, const Tensor& weight, const Tensor& bias,
                  double eps);

}  // namespace rushlight::ops

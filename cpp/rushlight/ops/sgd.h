// The fused optimiser step.
#pragma once

#include "rushlight/kernels/sgd/sgd.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// One SGD step on `param` (and `momentum_buffer`, undefined without momentum) in place, outside the graph.
// float32 and float64; all three of one shape and type.
void sgd_step_(const Tensor& param, const Tensor& grad, const Tensor& momentum_buffer,
               const kernels::SgdParams& params);

}  // namespace rushlight::ops

// The fused optimiser step.
#pragma once

#include <vector>

#include "rushlight/kernels/sgd/sgd.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// One SGD step on all of `params` (and `momentum_buffers`, empty without momentum) in place, outside the
// graph. float32 and float64; a parameter, its gradient and its buffer of one shape and type.
void sgd_step_(const std::vector<Tensor>& params, const std::vector<Tensor>& grads,
               const std::vector<Tensor>& momentum_buffers, const kernels::SgdParams& setting);

}  // namespace rushlight::ops

// What max pooling shares with the ops it is merged with.
#pragma once

#include "rushlight/kernels/pool2d/pool2d.h"
#include "rushlight/ops/pool.h"

namespace rushlight::ops::pool_detail {

// Checks the options. `images`: (N, C, H, W), a part of or the same as `input`; the memory order is theirs.
kernels::Pool2dParams max_pool_params(const Tensor& images, const Tensor& input,
                                      const Pool2dOptions& options);

// The gradient of max pooling's input. `where`: see kernels::max_pool2d.
Tensor max_pool_backward(const Tensor& grad, const Tensor& where, const kernels::Pool2dParams& params);

}  // namespace rushlight::ops::pool_detail

// Reductions.
#pragma once

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// Sum over `dims` (empty: all of them).
Tensor sum(const Tensor& input, const Dims& dims, bool keepdim);

}  // namespace rushlight::ops

// Memory orders for kernels that want whole images either plain or channels-last. See Note [Physical layout].
#pragma once

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// Uninitialised (N, C, H, W) results.
inline Tensor empty_physical(const Dims& sizes, DType dtype, bool channels_last) {
  return channels_last ? Tensor::empty_channels_last(sizes, dtype) : Tensor::empty(sizes, dtype);
}

// The values in the wanted order, copied if they are not; read them by access().data. Outside the graph.
// Sizes whose two orders are the same bytes (one channel, one pixel) fit both.
Tensor in_layout(const Tensor& input, bool channels_last);

}  // namespace rushlight::ops

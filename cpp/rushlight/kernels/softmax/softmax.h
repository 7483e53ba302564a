// softmax and log_softmax along the middle dimension of contiguous (outer, n, inner) data, and their
// gradients. The floating types; 16-bit floats compute in float.
#pragma once

#include <cstdint>

#include "rushlight/base/dtype.h"

namespace rushlight::kernels {

struct SoftmaxParams {
  DType dtype;
  bool log;
  int64_t outer;
  int64_t n;
  int64_t inner;
};

void softmax(const SoftmaxParams& params, const void* src, void* dst);
// `dst` is the result of the forward pass.
void softmax_backward(const SoftmaxParams& params, const void* grad_dst, const void* dst, void* grad_src);

}  // namespace rushlight::kernels

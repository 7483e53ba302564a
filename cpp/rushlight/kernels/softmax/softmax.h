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

// dst[row] = log(sum(exp(src[row]))); contiguous (rows, n) of float32 or float64, n > 0.
void logsumexp_rows(DType dtype, int64_t rows, int64_t n, const void* src, void* dst);

// The gradient of sum over rows of -scale[row] * log_softmax(x)[target[row]] in one pass:
// grad_src = exp(log_probs) * scale, less scale at the target. Contiguous (rows, n) of float32 or float64; a
// row of scale 0 may have any target.
void cross_entropy_backward(DType dtype, int64_t rows, int64_t n, const void* log_probs,
                            const int64_t* target, const double* scale, void* grad_src);

}  // namespace rushlight::kernels

// Batch normalisation: per-channel affine passes and the two sums of its gradient. Statistics come from
// reduce_moments. float32 and float64; coefficients have one value a channel.
#pragma once

#include <cstdint>

#include "rushlight/base/dtype.h"

namespace rushlight::kernels {

// (batch, spatial, channels) in memory if channels_last, else (batch, channels, spatial).
struct BatchNormShape {
  DType dtype;
  int64_t batch;
  int64_t channels;
  int64_t spatial;
  bool channels_last;
};

// dst = (src - center) * scale + shift
void batch_norm_apply(const BatchNormShape& shape, const void* src, const void* center, const void* scale,
                      const void* shift, void* dst);

// Per channel: sum_grad = sum of grad, sum_product = sum of grad * (src - center).
void batch_norm_sums(const BatchNormShape& shape, const void* src, const void* grad, const void* center,
                     double* sum_grad, double* sum_product);

// grad_src = grad * grad_scale + (src - center) * src_scale + shift
void batch_norm_apply_backward(const BatchNormShape& shape, const void* src, const void* grad,
                               const void* center, const void* grad_scale, const void* src_scale,
                               const void* shift, void* grad_src);

}  // namespace rushlight::kernels

// Batch normalisation: per-channel affine passes, ReLU and residual included, and the two sums of its
// gradient. Statistics come from reduce_moments. float32 and float64; coefficients have one value a channel.
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

// dst = (src - center) * scale + shift; then + residual (laid out like src; null: none), then max(0, dst) if
// `relu`.
void batch_norm_apply(const BatchNormShape& shape, const void* src, const void* center, const void* scale,
                      const void* shift, const void* residual, bool relu, void* dst);

// A ReLU between normalisation and gradient: no gradient passes where (src - center) * scale + shift, as
// batch_norm_apply computes it, is 0 or less.
struct BatchNormGate {
  const void* scale;  // null: no ReLU
  const void* shift;
};

// Per channel: sum_grad = sum of grad, sum_product = sum of grad * (src - center).
void batch_norm_sums(const BatchNormShape& shape, const void* src, const void* grad, const void* center,
                     const BatchNormGate& gate, double* sum_grad, double* sum_product);

// grad_src = grad * grad_scale + (src - center) * src_scale + shift; grad_src may be grad.
void batch_norm_apply_backward(const BatchNormShape& shape, const void* src, const void* grad,
                               const void* center, const void* grad_scale, const void* src_scale,
                               const void* shift, const BatchNormGate& gate, void* grad_src);

}  // namespace rushlight::kernels

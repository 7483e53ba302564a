// Batch normalisation: statistics, per-channel affine passes, ReLU and residual included, and the two sums of
// its gradient. float32, float64 and bfloat16, whose arithmetic and coefficients are float32; coefficients
// have one value a channel.
#pragma once

#include <cstdint>

#include "rushlight/base/dtype.h"

namespace rushlight::kernels {

class MaxPool2dBackward;

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

// The gradient that arrives: laid out like src, or made piece by piece from that of a pooling
// (channels-last).
struct BatchNormGrad {
  BatchNormGrad(const void* all) : values(all) {}                  // NOLINT(google-explicit-constructor)
  BatchNormGrad(const MaxPool2dBackward& pool) : pooled(&pool) {}  // NOLINT(google-explicit-constructor)

  const void* values = nullptr;
  const MaxPool2dBackward* pooled = nullptr;
};

// A ReLU between normalisation and gradient: no gradient passes where (src - center) * scale + shift, as
// batch_norm_apply computes it, is 0 or less.
struct BatchNormGate {
  const void* scale;  // null: no ReLU
  const void* shift;
};

// A ReLU behind the normalisation and a sum with something else: its result says where gradient passes
// (where it is above 0), and what passes is written to `passed`, which may be the gradient itself.
struct BatchNormMask {
  const void* result;  // null: no such ReLU
  void* passed;
};

// Per channel: sum_grad = sum of grad, sum_product = sum of grad * (src - center), of what passes the gate or
// the mask, of which at most one is there.
void batch_norm_sums(const BatchNormShape& shape, const void* src, const void* grad, const void* center,
                     const BatchNormGate& gate, const BatchNormMask& mask, double* sum_grad,
                     double* sum_product);

// Mean and biased variance of each channel; channels-last only, at least one element a channel.
void batch_norm_moments(const BatchNormShape& shape, const void* src, double* mean, double* var);

// grad_src = grad * grad_scale + (src - center) * src_scale + shift; grad_src may be grad.
void batch_norm_apply_backward(const BatchNormShape& shape, const void* src, const BatchNormGrad& grad,
                               const void* center, const void* grad_scale, const void* src_scale,
                               const void* shift, const BatchNormGate& gate, void* grad_src);

}  // namespace rushlight::kernels

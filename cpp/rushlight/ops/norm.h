// Normalisation.
#pragma once

#include "rushlight/ops/pool.h"

namespace rushlight::ops {

struct BatchNormOptions {
  bool training;
  double momentum;
  double eps;
};

// (x - mean) / sqrt(var + eps) * weight + bias per channel (dimension 1). Training: mean and biased variance
// of the batch, and running = (1 - momentum) * running + momentum * (mean, unbiased variance); else the
// running statistics. Undefined tensors: none given.
Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                  const Tensor& weight, const Tensor& bias, const BatchNormOptions& options);

// relu(batch_norm(...) += residual) in one pass over memory, forward and backward; undefined residual: none.
// The graph is that of the single ops.
Tensor batch_norm_relu(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                       const Tensor& weight, const Tensor& bias, const Tensor& residual,
                       const BatchNormOptions& options);

// max_pool2d(relu(batch_norm(...))), in training of images in one pass over memory forward and in two
// backward, without what lies between. The graph is that of the single ops.
Tensor batch_norm_relu_max_pool2d(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                                  const Tensor& weight, const Tensor& bias, const BatchNormOptions& options,
                                  const Pool2dOptions& pool);

}  // namespace rushlight::ops

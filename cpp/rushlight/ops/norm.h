// Normalisation.
#pragma once

#include "rushlight/tensor/tensor.h"

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

}  // namespace rushlight::ops

// One step of stochastic gradient descent over one parameter, in one pass over memory.
#pragma once

#include <cstdint>

#include "rushlight/base/dtype.h"

namespace rushlight::kernels {

struct SgdParams {
  double lr;
  double momentum;
  double dampening;
  double weight_decay;
  bool nesterov;
  bool maximize;
  bool first_step;  // the momentum buffer holds nothing yet: it becomes the gradient, without dampening
};

// g = +-grad + weight_decay * param; buffer = momentum * buffer + (1 - dampening) * g;
// param -= lr * (nesterov ? g + momentum * buffer : buffer). All n elements contiguous, float32 or float64.
// `buffer` is null if and only if momentum is 0; then param -= lr * g.
void sgd_step(DType dtype, const SgdParams& params, void* param, const void* grad, void* buffer, int64_t n);

}  // namespace rushlight::kernels

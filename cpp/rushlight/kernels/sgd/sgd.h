// One step of stochastic gradient descent, in one pass over the memory of all parameters.
#pragma once

#include <cstdint>

#include "rushlight/base/dtype.h"
#include "rushlight/kernels/gemm/outer_sum.h"

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

// One parameter: n contiguous elements each.
struct SgdItem {
  void* param;
  const void* grad;  // null where `factors` sum up to it
  void* buffer;      // null if and only if momentum is 0
  int64_t n;
  OuterSum factors{};  // of a gradient of float32 that was not written
};

// For every item g = +-grad + weight_decay * param; buffer = momentum * buffer + (1 - dampening) * g;
// param -= lr * (nesterov ? g + momentum * buffer : buffer). Without buffer param -= lr * g. All float32,
// all float64 or all bfloat16, which is computed in float32; no two items may share memory.
void sgd_step(DType dtype, const SgdParams& params, const SgdItem* items, int64_t count);

}  // namespace rushlight::kernels

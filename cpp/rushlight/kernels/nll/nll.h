// Negative log likelihood of class indices over contiguous (batch, classes, spatial) log-probabilities.
#pragma once

#include <cstdint>

#include "rushlight/base/dtype.h"

namespace rushlight::kernels {

struct NllParams {
  DType dtype;  // a floating type, of log_probs, weight, losses and gradients
  int64_t batch;
  int64_t classes;
  int64_t spatial;
  const int64_t* target;  // (batch, spatial), in [0, classes) or ignore_index
  const void* weight;     // one value a class, or null: 1
  int64_t ignore_index;
};

struct NllSums {
  double loss;
  double weight;
};

// losses[n, s] = -weight[t] * log_probs[n, t, s], 0 where ignored; returns the sums. `losses` may be null.
NllSums nll(const NllParams& params, const void* log_probs, void* losses);

// grad_log_probs[n, t, s] = -weight[t] * grad[n, s] / divisor, all else 0; grad is one number if `single`.
void nll_backward(const NllParams& params, const void* grad, bool single, double divisor,
                  void* grad_log_probs);

}  // namespace rushlight::kernels

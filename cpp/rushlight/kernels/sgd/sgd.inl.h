// The SGD loop, one copy per ISA level. Rounds where PyTorch's sequence of operations does.
#pragma once

#include "rushlight/kernels/sgd/sgd.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

template <class T>
void sgd(const SgdParams& params, T* param, const T* grad, T* buffer, int64_t n) {
  using V = Vec<T>;
  const V minus_lr(static_cast<T>(-params.lr));
  const V momentum(static_cast<T>(params.momentum));
  const V undamped(static_cast<T>(1.0 - params.dampening));
  const V decay(static_cast<T>(params.weight_decay));
  for (int64_t i = 0; i < n; i += V::kLanes) {
    const int64_t left = n - i;
    const V p = load_n(param + i, left);
    V g = load_n(grad + i, left);
    if (params.maximize) g = -g;
    if (params.weight_decay != 0.0) g = fma(decay, p, g);
    if (buffer != nullptr) {
      V b = g;
      if (!params.first_step) b = fma(undamped, g, load_n(buffer + i, left) * momentum);
      store_n(buffer + i, b, left);
      g = params.nesterov ? fma(momentum, b, g) : b;
    }
    store_n(param + i, fma(minus_lr, g, p), left);
  }
}

}  // namespace

void sgd_f32(const SgdParams& params, float* param, const float* grad, float* buffer, int64_t n) {
  sgd(params, param, grad, buffer, n);
}
void sgd_f64(const SgdParams& params, double* param, const double* grad, double* buffer, int64_t n) {
  sgd(params, param, grad, buffer, n);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

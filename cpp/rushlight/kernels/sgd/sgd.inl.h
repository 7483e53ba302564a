// The SGD loop, one copy per ISA level. Rounds where PyTorch's sequence of operations does.
#pragma once

#include "rushlight/kernels/sgd/sgd.h"
#include "rushlight/kernels/vec/memory.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

enum class Momentum { None, First, Later };

// Elements that prefetches run ahead, into the second-level cache: three streams come in and two go out, more
// than the hardware foresees when they are not in a cache yet.
constexpr int64_t kAhead = 256;

// Branches outside the loop: what is left runs at the speed of memory. bfloat16 (T = uint16_t) is rounded on
// its way to memory only.
template <bool kDecay, Momentum kMomentum, bool kNesterov, class T>
void sgd_loop(const SgdParams& params, T* param, const T* grad, T* buffer, int64_t n) {
  using W = Wide<T>;
  using V = Vec<W>;
  constexpr int64_t kUnroll = 4;
  const V minus_lr(static_cast<W>(-params.lr));
  const V momentum(static_cast<W>(params.momentum));
  const V undamped(static_cast<W>(1.0 - params.dampening));
  const V decay(static_cast<W>(params.weight_decay));
  const V sign(static_cast<W>(params.maximize ? -1 : 1));
  const auto step = [=](V p, V g, V b, V* next) {
    g = g * sign;
    if constexpr (kDecay) g = fma(decay, p, g);
    if constexpr (kMomentum != Momentum::None) {
      *next = kMomentum == Momentum::First ? g : fma(undamped, g, b * momentum);
      g = kNesterov ? fma(momentum, *next, g) : *next;
    }
    return fma(minus_lr, g, p);
  };
  int64_t i = 0;
  for (; i + kUnroll * V::kLanes <= n; i += kUnroll * V::kLanes) {
    V next[kUnroll], result[kUnroll];
    for (int64_t u = 0; u < kUnroll * V::kLanes; u += 64 / static_cast<int64_t>(sizeof(T))) {
      __builtin_prefetch(param + i + u + kAhead, 0, 2);
      __builtin_prefetch(grad + i + u + kAhead, 0, 2);
      if constexpr (kMomentum == Momentum::Later) __builtin_prefetch(buffer + i + u + kAhead, 0, 2);
    }
    for (int64_t u = 0; u < kUnroll; ++u) {
      const int64_t at = i + u * V::kLanes;
      const V b = kMomentum == Momentum::Later ? load_wide(buffer + at, V::kLanes) : V(W(0));
      result[u] = step(load_wide(param + at, V::kLanes), load_wide(grad + at, V::kLanes), b, &next[u]);
    }
    for (int64_t u = 0; u < kUnroll; ++u) {
      if constexpr (kMomentum != Momentum::None) store_narrow(buffer + i + u * V::kLanes, next[u], V::kLanes);
      store_narrow(param + i + u * V::kLanes, result[u], V::kLanes);
    }
  }
  for (; i < n; i += V::kLanes) {
    const V b = kMomentum == Momentum::Later ? load_wide(buffer + i, n - i) : V(W(0));
    V next;
    const V result = step(load_wide(param + i, n - i), load_wide(grad + i, n - i), b, &next);
    if constexpr (kMomentum != Momentum::None) store_narrow(buffer + i, next, n - i);
    store_narrow(param + i, result, n - i);
  }
}

template <bool kDecay, class T>
void sgd_with_decay(const SgdParams& params, T* param, const T* grad, T* buffer, int64_t n) {
  if (buffer == nullptr) return sgd_loop<kDecay, Momentum::None, false>(params, param, grad, buffer, n);
  if (params.first_step)
    return params.nesterov ? sgd_loop<kDecay, Momentum::First, true>(params, param, grad, buffer, n)
                           : sgd_loop<kDecay, Momentum::First, false>(params, param, grad, buffer, n);
  params.nesterov ? sgd_loop<kDecay, Momentum::Later, true>(params, param, grad, buffer, n)
                  : sgd_loop<kDecay, Momentum::Later, false>(params, param, grad, buffer, n);
}

template <class T>
void sgd(const SgdParams& params, T* param, const T* grad, T* buffer, int64_t n) {
  if (params.weight_decay != 0.0)
    sgd_with_decay<true>(params, param, grad, buffer, n);
  else
    sgd_with_decay<false>(params, param, grad, buffer, n);
}

}  // namespace

void sgd_f32(const SgdParams& params, float* param, const float* grad, float* buffer, int64_t n) {
  sgd(params, param, grad, buffer, n);
}
void sgd_f64(const SgdParams& params, double* param, const double* grad, double* buffer, int64_t n) {
  sgd(params, param, grad, buffer, n);
}
void sgd_bf16(const SgdParams& params, uint16_t* param, const uint16_t* grad, uint16_t* buffer, int64_t n) {
  sgd(params, param, grad, buffer, n);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

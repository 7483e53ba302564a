// The SGD loop, one copy per ISA level. Rounds where PyTorch's sequence of operations does.
#pragma once

#include <utility>

#include "rushlight/kernels/sgd/sgd.h"
#include "rushlight/kernels/vec/memory.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

enum class Momentum { None, First, Later };

// Elements that prefetches run ahead, into the second-level cache: three streams come in and two go out, more
// than the hardware foresees when they are not in a cache yet.
constexpr int64_t kAhead = 256;

// What becomes of an element. Branches are outside the loops: what is left runs at the speed of memory.
template <class W, bool kDecay, Momentum kMomentum, bool kNesterov>
struct Rule {
  using V = Vec<W>;
  static constexpr bool kReads = kMomentum == Momentum::Later, kWrites = kMomentum != Momentum::None;
  const V minus_lr, momentum, undamped, decay, sign;

  explicit Rule(const SgdParams& params)
      : minus_lr(static_cast<W>(-params.lr)),
        momentum(static_cast<W>(params.momentum)),
        undamped(static_cast<W>(1.0 - params.dampening)),
        decay(static_cast<W>(params.weight_decay)),
        sign(static_cast<W>(params.maximize ? -1 : 1)) {}

  // The parameter; the momentum in `next`.
  V operator()(V p, V g, V b, V* next) const {
    g = g * sign;
    if constexpr (kDecay) g = fma(decay, p, g);
    if constexpr (kWrites) {
      *next = kMomentum == Momentum::First ? g : fma(undamped, g, b * momentum);
      g = kNesterov ? fma(momentum, *next, g) : *next;
    }
    return fma(minus_lr, g, p);
  }
};

// bfloat16 (T = uint16_t) is rounded on its way to memory only.
template <class R, class T>
void sgd_loop(const R& rule, T* param, const T* grad, T* buffer, int64_t n) {
  using W = Wide<T>;
  using V = Vec<W>;
  constexpr int64_t kUnroll = 4;
  int64_t i = 0;
  for (; i + kUnroll * V::kLanes <= n; i += kUnroll * V::kLanes) {
    V next[kUnroll], result[kUnroll];
    for (int64_t u = 0; u < kUnroll * V::kLanes; u += 64 / static_cast<int64_t>(sizeof(T))) {
      __builtin_prefetch(param + i + u + kAhead, 0, 2);
      __builtin_prefetch(grad + i + u + kAhead, 0, 2);
      if constexpr (R::kReads) __builtin_prefetch(buffer + i + u + kAhead, 0, 2);
    }
    for (int64_t u = 0; u < kUnroll; ++u) {
      const int64_t at = i + u * V::kLanes;
      const V b = R::kReads ? load_wide(buffer + at, V::kLanes) : V(W(0));
      result[u] = rule(load_wide(param + at, V::kLanes), load_wide(grad + at, V::kLanes), b, &next[u]);
    }
    for (int64_t u = 0; u < kUnroll; ++u) {
      if constexpr (R::kWrites) store_narrow(buffer + i + u * V::kLanes, next[u], V::kLanes);
      store_narrow(param + i + u * V::kLanes, result[u], V::kLanes);
    }
  }
  for (; i < n; i += V::kLanes) {
    const V b = R::kReads ? load_wide(buffer + i, n - i) : V(W(0));
    V next;
    const V result = rule(load_wide(param + i, n - i), load_wide(grad + i, n - i), b, &next);
    if constexpr (R::kWrites) store_narrow(buffer + i, next, n - i);
    store_narrow(param + i, result, n - i);
  }
}

// kRows rows from `row` on, which `param` and `buffer` point to, of a gradient given as factors: `n` columns
// from `j` on, of kVecs registers.
template <int kRows, int kVecs, class R>
inline void sgd_tile(const R& rule, const OuterSum& grad, int64_t row, int64_t j, int64_t n, float* param,
                     float* buffer) {
  using V = Vec<float>;
  const int64_t last = n - (kVecs - 1) * V::kLanes;
  const auto load = [=](const float* p, int v) {
    return v < kVecs - 1 ? V::load(p + v * V::kLanes) : load_n(p + v * V::kLanes, last);
  };
  V sum[kRows][kVecs];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; ++v) {
      const int64_t ahead = r * grad.columns + j + v * V::kLanes + kAhead;
      sum[r][v] = V(0.0f);
      __builtin_prefetch(param + ahead);
      if constexpr (R::kReads) __builtin_prefetch(buffer + ahead);
    }
  for (int64_t t = 0; t < grad.terms; ++t) {
    V right[kVecs];
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; ++v) right[v] = load(grad.right + t * grad.columns + j, v);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const V left(grad.left[t * grad.rows + row + r]);
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; ++v) sum[r][v] = fma(left, right[v], sum[r][v]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; ++v) {
      float* const p = param + r * grad.columns + j;
      float* const b = R::kWrites ? buffer + r * grad.columns + j : nullptr;
      const int64_t at = v * V::kLanes, count = v < kVecs - 1 ? V::kLanes : last;
      V next;
      const V result = rule(load(p, v), sum[r][v], R::kReads ? load(b, v) : V(0.0f), &next);
      if constexpr (R::kWrites) store_n(b + at, next, count);
      store_n(p + at, result, count);
    }
}

template <int kRows, class R>
void sgd_rows(const R& rule, const OuterSum& grad, int64_t row, float* param, float* buffer) {
  constexpr int64_t kLanes = Vec<float>::kLanes;
  int64_t j = 0;
  for (; j + 2 * kLanes <= grad.columns; j += 2 * kLanes)
    sgd_tile<kRows, 2>(rule, grad, row, j, 2 * kLanes, param, buffer);
  for (; j < grad.columns; j += kLanes)
    sgd_tile<kRows, 1>(rule, grad, row, j, grad.columns - j, param, buffer);
}

// Calls f with the rule the settings ask for.
template <class W, bool kDecay, class F>
void with_momentum(const SgdParams& params, bool buffered, F&& f) {
  if (!buffered) return f(Rule<W, kDecay, Momentum::None, false>(params));
  if (params.first_step)
    return params.nesterov ? f(Rule<W, kDecay, Momentum::First, true>(params))
                           : f(Rule<W, kDecay, Momentum::First, false>(params));
  params.nesterov ? f(Rule<W, kDecay, Momentum::Later, true>(params))
                  : f(Rule<W, kDecay, Momentum::Later, false>(params));
}
template <class W, class F>
void with_rule(const SgdParams& params, bool buffered, F&& f) {
  params.weight_decay != 0.0 ? with_momentum<W, true>(params, buffered, f)
                             : with_momentum<W, false>(params, buffered, f);
}

template <class T>
void sgd(const SgdParams& params, T* param, const T* grad, T* buffer, int64_t n) {
  with_rule<Wide<T>>(params, buffer != nullptr,
                     [&](const auto& rule) { sgd_loop(rule, param, grad, buffer, n); });
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

// Rows [first, end) of a parameter whose gradient is given as factors.
void sgd_factors(const SgdParams& params, float* param, const OuterSum& grad, float* buffer, int64_t first,
                 int64_t end) {
  with_rule<float>(params, buffer != nullptr, [&](const auto& rule) {
    const auto rows = [&](int64_t row) {
      return std::pair(param + row * grad.columns, buffer == nullptr ? buffer : buffer + row * grad.columns);
    };
    int64_t row = first;
    for (; row + 4 <= end; row += 4) sgd_rows<4>(rule, grad, row, rows(row).first, rows(row).second);
    for (; row < end; ++row) sgd_rows<1>(rule, grad, row, rows(row).first, rows(row).second);
  });
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

// Packing of panels, for any level (see Note [ISA translation units]).
#pragma once

#include <cstdint>

#include "rushlight/kernels/gemm/gemm.h"
#include "rushlight/kernels/gemm/square.inl.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

// Where step p goes: see GemmPanel.
template <class T>
inline int64_t panel_row(const GemmPanel<T>& x, int64_t p) {
  return x.period == 1 ? p : p % x.period * x.apart + p / x.period;
}

// Lanes contiguous: rows of the panel are copied.
template <class T>
inline void pack_copied(const GemmPanel<T>& x) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  for (int64_t p = 0; p < x.k; ++p) {
    const T* src = x.src + p * x.k_stride;
    T* dst = x.dst + panel_row(x, p) * x.width;
    int64_t i = 0;
    for (; i + kLanes <= x.lanes; i += kLanes) Vec<T>::load(src + i).store(dst + i);
    for (; i < x.lanes; ++i) dst[i] = src[i];
    for (; i < x.width; ++i) dst[i] = T(0);
  }
}

// Element by element: a few steps of every lane at a time, so that both the reads and the writes stay within
// a few cache lines.
template <class T>
inline void pack_scattered(const GemmPanel<T>& x) {
  constexpr int64_t kSteps = 8;
  for (int64_t p = 0; p < x.k; p += kSteps) {
    const int64_t end = x.k - p < kSteps ? x.k : p + kSteps;
    for (int64_t i = 0; i < x.width; ++i)
      for (int64_t q = p; q < end; ++q)
        x.dst[panel_row(x, q) * x.width + i] = i < x.lanes ? x.src[i * x.lane_stride + q * x.k_stride] : T(0);
  }
}

// Steps contiguous: squares of registers are transposed.
template <class T>
inline void pack_transposed(const GemmPanel<T>& x) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  for (int64_t p = 0; p < x.k; p += kLanes) {
    const int64_t steps = x.k - p < kLanes ? x.k - p : kLanes;
    for (int64_t i = 0; i < x.width; i += kLanes) {
      Vec<T> square[kLanes];
      const T* src = x.src + i * x.lane_stride + p;
      if (i + kLanes <= x.lanes && steps == kLanes) {
#pragma GCC unroll 16
        for (int64_t r = 0; r < kLanes; ++r) square[r] = Vec<T>::load(src + r * x.lane_stride);
      } else if (i + kLanes <= x.lanes) {
#pragma GCC unroll 16
        for (int64_t r = 0; r < kLanes; ++r) square[r] = Vec<T>::load_partial(src + r * x.lane_stride, steps);
      } else {
        for (int64_t r = 0; r < kLanes; ++r)
          square[r] = i + r < x.lanes ? load_n(src + r * x.lane_stride, steps) : Vec<T>(T(0));
      }
      transpose_square<T>(square);
      for (int64_t q = 0; q < steps; ++q)
        store_n(x.dst + panel_row(x, p + q) * x.width + i, square[q], x.width - i);
    }
  }
}

template <class T>
inline void gemm_pack(const GemmPanel<T>& x) {
  if (x.lane_stride == 1) return pack_copied(x);
  if constexpr (kSquare<T>)
    if (x.k_stride == 1) return pack_transposed(x);
  pack_scattered(x);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

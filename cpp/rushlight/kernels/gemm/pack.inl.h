// Packing of panels, for any level (see Note [ISA translation units]).
#pragma once

#include <cstdint>

#include "rushlight/kernels/gemm/gemm.h"
#include "rushlight/kernels/gemm/square.inl.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

// Lanes contiguous: rows of the panel are copied.
template <class T>
inline void pack_copied(const GemmPanel<T>& x) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  for (int64_t p = 0; p < x.k; ++p) {
    const T* src = x.src + p * x.k_stride;
    T* dst = x.dst + p * x.width;
    int64_t i = 0;
    for (; i + kLanes <= x.lanes; i += kLanes) Vec<T>::load(src + i).store(dst + i);
    for (; i < x.lanes; ++i) dst[i] = src[i];
    for (; i < x.width; ++i) dst[i] = T(0);
  }
}

// Steps [first, first + count) of a panel, element by element: a few of every lane at a time, so that both
// the reads and the writes stay within a few cache lines.
template <class T>
inline void pack_scattered(const GemmPanel<T>& x, int64_t first, int64_t count) {
  constexpr int64_t kSteps = 8;
  for (int64_t p = first; p < first + count; p += kSteps) {
    const int64_t steps = first + count - p < kSteps ? first + count - p : kSteps;
    for (int64_t i = 0; i < x.lanes; ++i) {
      const T* src = x.src + i * x.lane_stride + p * x.k_stride;
      T* dst = x.dst + p * x.width + i;
      for (int64_t q = 0; q < steps; ++q) dst[q * x.width] = src[q * x.k_stride];
    }
    for (int64_t q = p; q < p + steps; ++q)
      for (int64_t i = x.lanes; i < x.width; ++i) x.dst[q * x.width + i] = T(0);
  }
}

template <class T>
inline void gemm_pack(const GemmPanel<T>& x) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  if (x.lane_stride == 1) return pack_copied(x);
  int64_t done = 0;
  if constexpr (kSquare<T>) {
    for (; x.k_stride == 1 && done + kLanes <= x.k; done += kLanes)
      for (int64_t i = 0; i < x.width; i += kLanes) {
        Vec<T> square[kLanes];
        for (int64_t r = 0; r < kLanes; ++r)
          square[r] = i + r < x.lanes ? Vec<T>::load(x.src + (i + r) * x.lane_stride + done) : Vec<T>(T(0));
        transpose_square<T>(square);
        for (int64_t q = 0; q < kLanes; ++q)
          store_n(x.dst + (done + q) * x.width + i, square[q], x.width - i);
      }
  }
  pack_scattered(x, done, x.k - done);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

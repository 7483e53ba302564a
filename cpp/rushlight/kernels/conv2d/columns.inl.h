// Between rows of channels and columns of taps, for any level (see Note [ISA translation units]).
#pragma once

#include <cstdint>

#include "rushlight/kernels/conv2d/columns.h"
#include "rushlight/kernels/gemm/square.inl.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

// Calls square(first tap, taps, first channel, channels) where a square of registers pays, one(tap, channel)
// elsewhere.
template <class T, class Square, class One>
inline void for_squares(const TapColumns<T>& x, Square&& square, One&& one) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  for (int64_t t = 0; t < x.taps; t += kLanes) {
    const int64_t taps = x.taps - t < kLanes ? x.taps - t : kLanes;
    if (kSquare<T> && taps > 2) {
      for (int64_t c = 0; c < x.channels; c += kLanes)
        square(t, taps, c, x.channels - c < kLanes ? x.channels - c : kLanes);
    } else {
      for (int64_t i = t; i < t + taps; ++i)
        if (x.rows[i] != nullptr)
          for (int64_t c = 0; c < x.channels; ++c) one(i, c);
    }
  }
}

template <class T>
inline void take_taps(const TapColumns<T>& x) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  if (!kSquare<T> || x.taps % kLanes == 1 || x.taps % kLanes == 2)
    for (int64_t i = 0; i < x.taps; ++i)
      if (x.rows[i] == nullptr)
        for (int64_t c = 0; c < x.channels; ++c) x.columns[c * x.taps + i] = T(0);
  for_squares(
      x,
      [&](int64_t t, int64_t taps, int64_t c, int64_t channels) {
        Vec<T> square[kLanes];
#pragma GCC unroll 16
        for (int64_t i = 0; i < kLanes; ++i)
          square[i] =
              i < taps && x.rows[t + i] != nullptr ? load_n(x.rows[t + i] + c, channels) : Vec<T>(T(0));
        transpose_square<T>(square);
        T* to = x.columns + c * x.taps + t;
#pragma GCC unroll 16
        for (int64_t i = 0; i < kLanes; ++i)
          if (i < channels) store_n(to + i * x.taps, square[i], taps);
      },
      [&](int64_t tap, int64_t c) { x.columns[c * x.taps + tap] = x.rows[tap][c]; });
}

template <class T>
inline void add_taps(const TapColumns<T>& x) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  for_squares(
      x,
      [&](int64_t t, int64_t taps, int64_t c, int64_t channels) {
        Vec<T> square[kLanes];
        const T* from = x.columns + c * x.taps + t;
#pragma GCC unroll 16
        for (int64_t i = 0; i < kLanes; ++i)
          square[i] = i < channels ? load_n(from + i * x.taps, taps) : Vec<T>(T(0));
        transpose_square<T>(square);
#pragma GCC unroll 16
        for (int64_t i = 0; i < kLanes; ++i) {
          if (i >= taps || x.rows[t + i] == nullptr) continue;
          T* to = x.rows[t + i] + c;
          store_n(to, load_n(to, channels) + square[i], channels);
        }
      },
      [&](int64_t tap, int64_t c) { x.rows[tap][c] += x.columns[c * x.taps + tap]; });
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

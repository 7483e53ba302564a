// Pooling's pixel loops, one copy per ISA level; loops over fixed-size panels of channels that compilers
// vectorise.
#pragma once

#include <cstring>

#include "rushlight/kernels/pool2d/pool2d_table.h"
#include "rushlight/kernels/wide.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

constexpr int64_t kPanel = 64;  // channels

// The integer type as wide as T: comparisons and selections then work on whole vectors.
template <class T>
struct SameWidth;
template <>
struct SameWidth<float> {
  using type = int32_t;
};
template <>
struct SameWidth<double> {
  using type = int64_t;
};

template <class T>
inline Wide<T> read(T x) {
  if constexpr (std::is_same_v<T, uint16_t>) {
    const uint32_t word = static_cast<uint32_t>(x) << 16;
    float value;
    std::memcpy(&value, &word, 4);
    return value;
  } else {
    return x;
  }
}
// Rounds to nearest even.
template <class T>
inline T narrow(Wide<T> x) {
  if constexpr (std::is_same_v<T, uint16_t>) {
    uint32_t word;
    std::memcpy(&word, &x, 4);
    const uint32_t quiet = word | 0x400000u, rounded = word + 0x7fffu + (word >> 16 & 1u);
    return static_cast<uint16_t>((x != x ? quiet : rounded) >> 16);
  } else {
    return x;
  }
}

// kWidth: the number of channels if it is a whole panel, else 0 and `width` tells.
template <class T, int64_t kWidth>
inline void max_panel(const PoolWindow& window, const T* image, int64_t channels, int64_t width, T* dst,
                      int64_t* index) {
  using W = Wide<T>;
  using Position = typename SameWidth<W>::type;
  const int64_t n = kWidth > 0 ? kWidth : width;
  W best[kPanel];
  Position at[kPanel];
  for (int64_t c = 0; c < n; ++c) best[c] = static_cast<W>(-__builtin_inf());
  for (int64_t c = 0; c < n; ++c) at[c] = static_cast<Position>(window.first);
  for (int64_t r = 0; r < window.rows; ++r)
    for (int64_t q = 0; q < window.columns; ++q) {
      const int64_t pixel = window.first + r * window.row_step + q * window.column_step;
      const auto position = static_cast<Position>(pixel);
      const T* src = image + pixel * channels;
      for (int64_t c = 0; c < n; ++c) {
        const W x = read(src[c]);
        const bool better = (x > best[c]) | (x != x);
        best[c] = better ? x : best[c];
        at[c] = better ? position : at[c];
      }
    }
  for (int64_t c = 0; c < n; ++c) dst[c] = narrow<T>(best[c]);
  for (int64_t c = 0; c < n; ++c) index[c] = at[c];
}

template <class T>
void max_pixel(const PoolWindow& window, const T* image, int64_t channels, T* dst, int64_t* index) {
  int64_t c = 0;
  for (; c + kPanel <= channels; c += kPanel)
    max_panel<T, kPanel>(window, image + c, channels, kPanel, dst + c, index + c);
  if (c < channels) max_panel<T, 0>(window, image + c, channels, channels - c, dst + c, index + c);
}

template <class T, int64_t kWidth>
inline void avg_panel(const PoolWindow& window, const T* image, int64_t channels, int64_t width,
                      double divisor, T* dst) {
  const int64_t n = kWidth > 0 ? kWidth : width;
  double sum[kPanel] = {};
  for (int64_t r = 0; r < window.rows; ++r)
    for (int64_t q = 0; q < window.columns; ++q) {
      const T* src = image + (window.first + r * window.row_step + q * window.column_step) * channels;
      for (int64_t c = 0; c < n; ++c) sum[c] += static_cast<double>(read(src[c]));
    }
  for (int64_t c = 0; c < n; ++c) dst[c] = narrow<T>(static_cast<Wide<T>>(sum[c] / divisor));
}

template <class T>
void avg_pixel(const PoolWindow& window, const T* image, int64_t channels, double divisor, T* dst) {
  int64_t c = 0;
  for (; c + kPanel <= channels; c += kPanel)
    avg_panel<T, kPanel>(window, image + c, channels, kPanel, divisor, dst + c);
  if (c < channels) avg_panel<T, 0>(window, image + c, channels, channels - c, divisor, dst + c);
}

template <class T>
constexpr Pool2dTable<T> make_pool2d_table() {
  return {max_pixel<T>, avg_pixel<T>};
}

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

// Pooling's loops over channels, one copy per ISA level.
#pragma once

#include <cstring>

#include "rushlight/kernels/pool2d/pool2d_table.h"
#include "rushlight/kernels/vec/memory.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

constexpr int64_t kPanel = 64;  // channels

// The numbers of what was chosen, as bytes.
template <class W, int kVectors>
inline void store_choice(const Vec<W> (&at)[kVectors], int64_t left, uint8_t* choice) {
  constexpr int64_t kLanes = Vec<W>::kLanes;
  W numbers[kVectors * kLanes];
  for (int u = 0; u < kVectors; ++u) at[u].store(numbers + u * kLanes);
  const int64_t n = left < kVectors * kLanes ? left : kVectors * kLanes;
  for (int64_t c = 0; c < n; ++c) choice[c] = static_cast<uint8_t>(static_cast<int32_t>(numbers[c]));
}

// The choice is carried as a number of the elements' type: a comparison's mask then serves both.
template <class T, int kVectors>
inline void max_vectors(const PoolWindow& window, const T* src, int64_t channels, int64_t left, T* dst,
                        uint8_t* choice) {
  using W = Wide<T>;
  using V = Vec<W>;
  V best[kVectors], at[kVectors];
  for (int u = 0; u < kVectors; ++u) {
    best[u] = V(static_cast<W>(-__builtin_inf()));
    at[u] = V(W(0));
  }
  W number = 0;
  for (int64_t r = 0; r < window.rows; ++r)
    for (int64_t q = 0; q < window.columns; ++q, number += 1) {
      const T* from = src + (window.first + r * window.row_step + q * window.column_step) * channels;
      const V here(number);
      for (int u = 0; u < kVectors; ++u) {
        const V x = load_wide(from + u * V::kLanes, left - u * V::kLanes);
        const Mask<W> better = (x > best[u]) | (x != x);
        best[u] = select(better, x, best[u]);
        at[u] = select(better, here, at[u]);
      }
    }
  for (int u = 0; u < kVectors; ++u) store_narrow(dst + u * V::kLanes, best[u], left - u * V::kLanes);
  store_choice<W, kVectors>(at, left, choice);
}

template <class T>
void max_pixel(const PoolWindow& window, const T* image, int64_t channels, T* dst, uint8_t* choice) {
  constexpr int kVectors = 4;
  constexpr int64_t kLanes = Vec<Wide<T>>::kLanes;
  constexpr int64_t kWide = kVectors * kLanes;
  int64_t c = 0;
  for (; c + kWide <= channels; c += kWide)
    max_vectors<T, kVectors>(window, image + c, channels, kWide, dst + c, choice + c);
  for (; c < channels; c += kLanes)
    max_vectors<T, 1>(window, image + c, channels, channels - c, dst + c, choice + c);
}

// kVectors vectors of channels from c on, along a row of windows.
template <class T, int kVectors>
inline void max_affine_columns(const PoolMap<Wide<T>>& map, const PoolWindow* windows, int64_t count,
                               const T* image, int64_t channels, int64_t c, int64_t left, T* dst, T* picked,
                               uint8_t* choice) {
  using W = Wide<T>;
  using V = Vec<W>;
  V center[kVectors], scale[kVectors], shift[kVectors];
  for (int u = 0; u < kVectors; ++u) {
    const int64_t at = c + u * V::kLanes, rest = left - u * V::kLanes;
    center[u] = load_n(map.center + at, rest);
    scale[u] = load_n(map.scale + at, rest);
    shift[u] = load_n(map.shift + at, rest);
  }
  for (int64_t i = 0; i < count; ++i) {
    const PoolWindow window = windows[i];
    const T* const first = image + window.first * channels + c;
    V best[kVectors], value[kVectors], at[kVectors];
    for (int u = 0; u < kVectors; ++u) {
      value[u] = load_wide(first + u * V::kLanes, left - u * V::kLanes);
      best[u] = max(V(W(0)), fma(value[u] - center[u], scale[u], shift[u]));
      at[u] = V(W(0));
    }
    W number = 0;
    for (int64_t r = 0; r < window.rows; ++r)
      for (int64_t q = 0; q < window.columns; ++q, number += 1) {
        const T* from = first + (r * window.row_step + q * window.column_step) * channels;
        const V here(number);
        for (int u = 0; u < kVectors; ++u) {
          const V x = load_wide(from + u * V::kLanes, left - u * V::kLanes);
          const V y = max(V(W(0)), fma(x - center[u], scale[u], shift[u]));
          const Mask<W> better = (y > best[u]) | (y != y);
          best[u] = select(better, y, best[u]);
          value[u] = select(better, x, value[u]);
          at[u] = select(better, here, at[u]);
        }
      }
    const int64_t to = i * channels + c;
    for (int u = 0; u < kVectors; ++u) {
      store_narrow(dst + to + u * V::kLanes, best[u], left - u * V::kLanes);
      store_narrow(picked + to + u * V::kLanes, value[u], left - u * V::kLanes);
    }
    store_choice<W, kVectors>(at, left, choice + to);
  }
}

template <class T>
void max_affine_row(const PoolMap<Wide<T>>& map, const PoolWindow* windows, int64_t count, const T* image,
                    int64_t channels, T* dst, T* picked, uint8_t* choice) {
  constexpr int kVectors = sizeof(Vec<Wide<T>>) >= 64 ? 4 : 1;  // as many as there are registers for
  constexpr int64_t kLanes = Vec<Wide<T>>::kLanes;
  constexpr int64_t kWide = kVectors * kLanes;
  int64_t c = 0;
  for (; c + kWide <= channels; c += kWide)
    max_affine_columns<T, kVectors>(map, windows, count, image, channels, c, kWide, dst, picked, choice);
  for (; c < channels; c += kLanes)
    max_affine_columns<T, 1>(map, windows, count, image, channels, c, channels - c, dst, picked, choice);
}

inline Mask<float> chosen(const uint8_t* choice, uint8_t number, int64_t left, float) {
  return bytes_equal(choice, number, left);
}
inline Mask<double> chosen(const uint8_t* choice, uint8_t number, int64_t left, double) {
  double numbers[Vec<double>::kLanes];
  for (int64_t l = 0; l < Vec<double>::kLanes; ++l) numbers[l] = l < left ? choice[l] : 0.0;
  return Vec<double>::load(numbers) == Vec<double>(number);
}

// kVectors vectors of channels of the pixel in column w.
template <class T, int kVectors>
inline void max_back_vectors(const PoolRow& row, int64_t w, int64_t c, int64_t left, const T* grad,
                             const uint8_t* choice, T* dst) {
  using W = Wide<T>;
  using V = Vec<W>;
  V sum[kVectors];
  for (int u = 0; u < kVectors; ++u) sum[u] = V(W(0));
  for (int64_t i = 0; i < row.over_row_count; ++i)
    for (int64_t j = row.column_begins[w]; j < row.column_begins[w + 1]; ++j) {
      const PoolCover &h = row.over_row[i], &v = row.over_columns[j];
      const int64_t at = (h.output * row.out_width + v.output) * row.channels + c;
      const auto number = static_cast<uint8_t>(h.number * v.length + v.number);
      for (int u = 0; u < kVectors; ++u) {
        const int64_t first = at + u * V::kLanes, rest = left - u * V::kLanes;
        const Mask<W> mine = chosen(choice + first, number, rest, W());
        sum[u] = sum[u] + select(mine, load_wide(grad + first, rest), V(W(0)));
      }
    }
  for (int u = 0; u < kVectors; ++u) store_narrow(dst + c + u * V::kLanes, sum[u], left - u * V::kLanes);
}

template <class T>
void max_back_row(const PoolRow& row, const T* grad, const uint8_t* choice, T* dst) {
  constexpr int kVectors = 4;
  constexpr int64_t kLanes = Vec<Wide<T>>::kLanes;
  constexpr int64_t kWide = kVectors * kLanes;
  for (int64_t w = row.begin; w < row.end; ++w, dst += row.channels) {
    int64_t c = 0;
    for (; c + kWide <= row.channels; c += kWide)
      max_back_vectors<T, kVectors>(row, w, c, kWide, grad, choice, dst);
    for (; c < row.channels; c += kLanes)
      max_back_vectors<T, 1>(row, w, c, row.channels - c, grad, choice, dst);
  }
}

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
  return {max_pixel<T>, max_affine_row<T>, max_back_row<T>, avg_pixel<T>};
}

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

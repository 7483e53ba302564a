// Reduction loops, one copy per ISA level; plain loops over fixed-size lane arrays that compilers vectorise.
#pragma once

#include "rushlight/kernels/reduce/reduce_table.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

// Lanes of a row loop: four 512-bit registers.
template <class T>
constexpr int kLanes = 256 / static_cast<int>(sizeof(T));
// Each lane adds this many elements in T before the block goes into a double: keeps sums accurate.
constexpr int64_t kBlockSteps = 32;

struct Identity {
  template <class T>
  static T map(T x, T) {
    return x;
  }
};
struct Absolute {
  template <class T>
  static T map(T x, T) {
    return x < 0 ? -x : x;
  }
};
struct Square {
  template <class T>
  static T map(T x, T center) {
    return (x - center) * (x - center);
  }
};

template <class T, class Map>
double sum_row(const T* src, int64_t n, T center) {
  constexpr int kWidth = kLanes<T>;
  double total = 0.0;
  double lost = 0.0;  // Kahan's correction: the block sums add up as if in twice the precision
  while (n > 0) {
    T lanes[kWidth] = {};
    int64_t steps = n / kWidth < kBlockSteps ? n / kWidth : kBlockSteps;
    double tail = 0.0;
    if (steps == 0) {
      for (int64_t i = 0; i < n; ++i) tail += static_cast<double>(Map::map(src[i], center));
      n = 0;
    }
    for (int64_t step = 0; step < steps; ++step, src += kWidth)
      for (int l = 0; l < kWidth; ++l) lanes[l] += Map::map(src[l], center);
    n -= steps * kWidth;
    for (int l = 0; l < kWidth; ++l) tail += static_cast<double>(lanes[l]);
    const double block = tail - lost;
    const double next = total + block;
    lost = next - next == 0.0 ? (next - total) - block : 0.0;  // infinities must not turn into NaN
    total = next;
  }
  return total;
}

template <class T>
double sum(const T* src, int64_t n) {
  return sum_row<T, Identity>(src, n, T(0));
}
template <class T>
double abs_sum(const T* src, int64_t n) {
  return sum_row<T, Absolute>(src, n, T(0));
}
template <class T>
double square_sum(const T* src, int64_t n, T center) {
  return sum_row<T, Square>(src, n, center);
}

struct Greater {
  template <class T>
  static bool better(T a, T b) {
    return a > b;
  }
  template <class T>
  static T worst() {
    return static_cast<T>(-__builtin_inf());
  }
};
struct Less {
  template <class T>
  static bool better(T a, T b) {
    return a < b;
  }
  template <class T>
  static T worst() {
    return static_cast<T>(__builtin_inf());
  }
};

template <class T, class Order>
T extreme(const T* src, int64_t n) {
  constexpr int kWidth = kLanes<T>;
  T best = Order::template worst<T>();
  int64_t i = 0;
  if (n >= kWidth) {
    T lanes[kWidth];
    T poison[kWidth] = {};  // the last NaN of each lane
    for (int l = 0; l < kWidth; ++l) lanes[l] = best;
    for (; i + kWidth <= n; i += kWidth)
      for (int l = 0; l < kWidth; ++l) {
        const T x = src[i + l];
        lanes[l] = Order::better(x, lanes[l]) ? x : lanes[l];
        poison[l] = x != x ? x : poison[l];
      }
    for (int l = 0; l < kWidth; ++l) {
      if (poison[l] != poison[l]) return poison[l];
      if (Order::better(lanes[l], best)) best = lanes[l];
    }
  }
  for (; i < n; ++i) {
    if (src[i] != src[i]) return src[i];
    if (Order::better(src[i], best)) best = src[i];
  }
  return best;
}

// Columns are walked in panels whose accumulators stay in registers or L1.
constexpr int64_t kPanel = 64;

// Adds up `width` columns, at most kPanel, over few rows in T and adds the sums to dst.
template <class T, class Map>
inline void add_rows(const T* src, int64_t rows, int64_t pitch, int64_t width, const T* center, double* dst) {
  T acc[kPanel] = {};
  if (width == kPanel) {  // a fixed length keeps the accumulators in registers
    for (int64_t r = 0; r < rows; ++r, src += pitch)
      for (int l = 0; l < kPanel; ++l) acc[l] += Map::map(src[l], center[l]);
  } else {
    for (int64_t r = 0; r < rows; ++r, src += pitch)
      for (int64_t l = 0; l < width; ++l) acc[l] += Map::map(src[l], center[l]);
  }
  for (int64_t l = 0; l < width; ++l) dst[l] += static_cast<double>(acc[l]);
}

template <class T, class Map>
void sum_columns_mapped(const T* src, int64_t rows, int64_t pitch, int64_t columns, const T* center,
                        double* dst) {
  constexpr int64_t kRows = 16;
  const T zeros[kPanel] = {};
  for (int64_t c = 0; c < columns; ++c) dst[c] = 0.0;
  for (int64_t c = 0; c < columns; c += kPanel) {
    const int64_t width = columns - c < kPanel ? columns - c : kPanel;
    for (int64_t r = 0; r < rows; r += kRows)
      add_rows<T, Map>(src + r * pitch + c, rows - r < kRows ? rows - r : kRows, pitch, width,
                       center != nullptr ? center + c : zeros, dst + c);
  }
}

template <class T>
void sum_columns(const T* src, int64_t rows, int64_t pitch, int64_t columns, double* dst) {
  sum_columns_mapped<T, Identity>(src, rows, pitch, columns, nullptr, dst);
}
template <class T>
void square_columns(const T* src, int64_t rows, int64_t pitch, int64_t columns, const T* center,
                    double* dst) {
  sum_columns_mapped<T, Square>(src, rows, pitch, columns, center, dst);
}

template <class T, class Order>
void extreme_columns(const T* src, int64_t rows, int64_t pitch, int64_t columns, T* __restrict dst) {
  for (int64_t r = 0; r < rows; ++r, src += pitch)
    for (int64_t c = 0; c < columns; ++c) {
      const T x = src[c];
      dst[c] = Order::better(x, dst[c]) ? x : dst[c];
      dst[c] = x != x ? x : dst[c];  // a NaN is never replaced: no comparison with it holds
    }
}

template <class T>
constexpr ReduceTable<T> make_reduce_table() {
  return {sum<T>,
          abs_sum<T>,
          square_sum<T>,
          extreme<T, Greater>,
          extreme<T, Less>,
          sum_columns<T>,
          square_columns<T>,
          extreme_columns<T, Greater>,
          extreme_columns<T, Less>};
}

}  // namespace

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

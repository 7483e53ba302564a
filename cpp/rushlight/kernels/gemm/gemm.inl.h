// Register tiles and dot products, for any level (see Note [ISA translation units]).
#pragma once

#include <cstdint>

#include "rushlight/kernels/gemm/gemm.h"
#include "rushlight/kernels/gemm/square.inl.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

// One tile of kRows x (kVecs registers), `columns` of them real. B may end right after its last real column,
// so the last register is loaded and stored in part.
template <class T, int kRows, int kVecs>
inline void gemm_tile(const GemmBlock<T>& x, int64_t a_offset, const T* b, T* c, int64_t columns,
                      const T* bias) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  const int64_t last = columns - (kVecs - 1) * kLanes;
  Vec<T> sum[kRows][kVecs];
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < kVecs; ++v) sum[i][v] = Vec<T>(T(0));
      // C comes from far away and is needed after the loop below.
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i)
    __builtin_prefetch(c + i * x.c_row, 1), __builtin_prefetch(c + i * x.c_row + columns - 1, 1);
  for (int64_t s = 0; s < x.segments; ++s) {
    const T* ap = x.a[s] + a_offset;
    const T* bp = b + s * x.b_step;
    for (int64_t p = 0; p < x.k; ++p, ap += x.a_k, bp += x.b_k) {
      Vec<T> bv[kVecs];
#pragma GCC unroll 4
      for (int v = 0; v < kVecs - 1; ++v) bv[v] = Vec<T>::load(bp + v * kLanes);
      // Both stream from the L2 cache with strides that hardware prefetchers follow late: worth 5 %.
      __builtin_prefetch(ap + 12 * x.a_k);
#pragma GCC unroll 4
      for (int v = 0; v < kVecs; ++v) __builtin_prefetch(bp + 8 * x.b_k + v * kLanes);
      bv[kVecs - 1] = load_n(bp + (kVecs - 1) * kLanes, last);
#pragma GCC unroll 32
      for (int i = 0; i < kRows; ++i) {
        const Vec<T> av(ap[i]);
#pragma GCC unroll 4
        for (int v = 0; v < kVecs; ++v) sum[i][v] = fma(av, bv[v], sum[i][v]);
      }
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVecs; ++v) {
      const int64_t n = v == kVecs - 1 ? last : kLanes;
      T* out = c + i * x.c_row + v * kLanes;
      if (x.accumulate) sum[i][v] = load_n(out, n) + sum[i][v];
      if (bias != nullptr) sum[i][v] = sum[i][v] + load_n(bias + v * kLanes, n);
      store_n(out, sum[i][v], n);
    }
  }
}

// Chooses the instantiation for a run-time number of rows.
template <class T, int kRows, int kVecs>
inline void gemm_tile_rows(int64_t rows, const GemmBlock<T>& x, int64_t a_offset, const T* b, T* c,
                           int64_t columns, const T* bias) {
  if (rows == kRows) {
    gemm_tile<T, kRows, kVecs>(x, a_offset, b, c, columns, bias);
  } else if constexpr (kRows > 1) {
    gemm_tile_rows<T, kRows - 1, kVecs>(rows, x, a_offset, b, c, columns, bias);
  }
}

// The two loops over the register tiles of a block; a panel of B stays in L1 while those of A pass. Few rows
// leave registers for twice the columns, where B has them side by side.
template <class T, int kRows>
inline void gemm_block(const GemmBlock<T>& x) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  constexpr int64_t kColumns = 2 * kLanes;
  constexpr int kWideRows = kRows / 2 - 1;
  int64_t done = 0;
  if (x.m <= kWideRows && x.m <= x.rows && x.b_panel == kColumns)
    for (; x.n - done > 3 * kLanes; done += 2 * kColumns)
      gemm_tile_rows<T, kWideRows, 4>(x.m, x, 0, x.b + done, x.c + done,
                                      x.n - done < 2 * kColumns ? x.n - done : 2 * kColumns,
                                      x.bias == nullptr ? nullptr : x.bias + done);
  for (int64_t j = done; j < x.n; j += kColumns) {
    const int64_t columns = x.n - j < kColumns ? x.n - j : kColumns;
    const T* b = x.b + j / kColumns * x.b_panel;
    const T* bias = x.bias == nullptr ? nullptr : x.bias + j;
    for (int64_t i = 0; i < x.m; i += x.rows) {
      const int64_t rows = x.m - i < x.rows ? x.m - i : x.rows;
      T* c = x.c + i * x.c_row + j;
      if (columns > kLanes)
        gemm_tile_rows<T, kRows, 2>(rows, x, i / x.rows * x.a_panel, b, c, columns, bias);
      else
        gemm_tile_rows<T, kRows, 1>(rows, x, i / x.rows * x.a_panel, b, c, columns, bias);
    }
  }
}

// totals[i * kCols + j] = the sum of the lanes of sum[i][j].
template <class T, int kRows, int kCols>
inline void add_lanes(const Vec<T> (&sum)[kRows][kCols], T* totals) {
  constexpr int kLanes = static_cast<int>(Vec<T>::kLanes), kSums = kRows * kCols;
  if constexpr (kSquare<T> && kSums % kLanes == 0) {
#pragma GCC unroll 4
    for (int first = 0; first < kSums; first += kLanes) {
      Vec<T> square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) square[i] = sum[(first + i) / kCols][(first + i) % kCols];
      transpose_square<T>(square);
#pragma GCC unroll 4
      for (int half = kLanes / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < half; ++i) square[i] = square[i] + square[i + half];
      square[0].store(totals + first);
    }
  } else {
    for (int i = 0; i < kSums; ++i) totals[i] = reduce_add(sum[i / kCols][i % kCols]);
  }
}

constexpr int64_t kDotChain = 48;
// Elements that prefetches of B run ahead, on to the next columns: with few rows the dots wait for memory.
constexpr int64_t kDotAhead = 512;

template <class T, int kRows, int kCols>
inline void dot_tile(const GemmDots<T>& x, int64_t row, int64_t col) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  const T* a = x.a + row * x.a_row;
  const T* b = x.b + col * x.b_col;
  Vec<T> sum[kRows][kCols];
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kCols; ++j) sum[i][j] = Vec<T>(T(0));
  const auto step = [&](int64_t p, auto load) {
    if (row == 0) {
      const int64_t end = x.k - kDotAhead, ahead = p < end ? p + kDotAhead : p - end + kCols * x.b_col;
#pragma GCC unroll 4
      for (int j = 0; j < kCols; ++j) __builtin_prefetch(b + j * x.b_col + ahead);
    }
    Vec<T> bv[kCols];
#pragma GCC unroll 4
    for (int j = 0; j < kCols; ++j) bv[j] = load(b + j * x.b_col + p);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
      const Vec<T> av = load(a + i * x.a_row + p);
#pragma GCC unroll 4
      for (int j = 0; j < kCols; ++j) sum[i][j] = fma(av, bv[j], sum[i][j]);
    }
  };
  // Sums of kDotChain steps add up in memory: one long chain would err several times as much.
  Vec<T> joined[kRows][kCols];
  int64_t p = 0;
  for (; x.k - p > kDotChain * kLanes;) {
    for (const int64_t end = p + kDotChain * kLanes; p < end; p += kLanes)
      step(p, [](const T* from) { return Vec<T>::load(from); });
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < kCols; ++j) {
        joined[i][j] = p == kDotChain * kLanes ? sum[i][j] : joined[i][j] + sum[i][j];
        sum[i][j] = Vec<T>(T(0));
      }
  }
  const bool join = p > 0;
  for (; p + kLanes <= x.k; p += kLanes) step(p, [](const T* from) { return Vec<T>::load(from); });
  if (p < x.k) step(p, [&](const T* from) { return Vec<T>::load_partial(from, x.k - p); });
  if (join) {
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < kCols; ++j) sum[i][j] = joined[i][j] + sum[i][j];
  }
  T totals[kRows * kCols];
  add_lanes(sum, totals);
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kCols; ++j) {
      T* out = x.c + (row + i) * x.c_row + (col + j) * x.c_col;
      T value = totals[i * kCols + j];
      if (x.accumulate) value += *out;
      if (x.bias != nullptr) value += x.bias[(row + i) * x.bias_row + (col + j) * x.bias_col];
      *out = value;
    }
}

template <class T, int kCols>
inline void dot_column(const GemmDots<T>& x, int64_t col) {
  int64_t i = 0;
  for (; i + 4 <= x.m; i += 4) dot_tile<T, 4, kCols>(x, i, col);
  if (x.m - i == 3) dot_tile<T, 3, kCols>(x, i, col);
  if (x.m - i == 2) dot_tile<T, 2, kCols>(x, i, col);
  if (x.m - i == 1) dot_tile<T, 1, kCols>(x, i, col);
}

template <class T>
inline void gemm_dots(const GemmDots<T>& x) {
  int64_t j = 0;
  for (; j + 4 <= x.n; j += 4) dot_column<T, 4>(x, j);
  for (; j < x.n; ++j) dot_column<T, 1>(x, j);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

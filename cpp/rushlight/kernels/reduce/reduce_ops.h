// Building blocks of the reductions: computing types, and lines of any type and stride seen as contiguous
// rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/kernels/reduce/reduce_loops.h"
#include "rushlight/kernels/reduce/reduce_table.h"

namespace rushlight::kernels {

template <class T>
constexpr bool kIsFloating =
    std::is_floating_point_v<T> || std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

// What elements are computed in: float for the 16-bit floats, else themselves.
template <class T>
using ComputeType = std::conditional_t<std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>, float, T>;

// Calls f(const ComputeType<T>* row, n) on pieces of a line: the line itself where it is contiguous and needs
// no conversion, else copies of short blocks.
template <class T, class F>
void for_each_row(const T* p, int64_t n, int64_t stride, F&& f) {
  using C = ComputeType<T>;
  if constexpr (std::is_same_v<T, C>) {
    if (stride == 1) return f(p, n);
  }
  constexpr int64_t kBlock = 16384 / sizeof(C);
  constexpr int64_t kSize = sizeof(T);
  C block[kBlock];
  const ConvertRun convert = find_convert(DTypeOf<T>::value, DTypeOf<C>::value);
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t size = std::min(kBlock, n - begin);
    convert(size, reinterpret_cast<const char*>(p + begin * stride), stride * kSize,
            reinterpret_cast<char*>(block), sizeof(C));
    f(block, size);
  }
}

// Calls f(const ComputeType<T>* first_row, row_count, pitch) on blocks of at most kReduceRows rows of at most
// kReducePanel columns; rows that need conversion are copies.
template <class T, class F>
void for_each_row_block(const T* p, int64_t rows, int64_t pitch, int64_t columns, F&& f) {
  using C = ComputeType<T>;
  if constexpr (std::is_same_v<T, C>) {
    for (int64_t r = 0; r < rows; r += kReduceRows) f(p + r * pitch, std::min(kReduceRows, rows - r), pitch);
  } else {
    constexpr int64_t kRows = 16;
    C block[kRows * kReducePanel];
    const ConvertRun convert = find_convert(DTypeOf<T>::value, DTypeOf<C>::value);
    for (int64_t r = 0; r < rows; r += kRows) {
      const int64_t count = std::min(kRows, rows - r);
      for (int64_t i = 0; i < count; ++i)
        convert(columns, reinterpret_cast<const char*>(p + (r + i) * pitch), sizeof(T),
                reinterpret_cast<char*>(block + i * kReducePanel), sizeof(C));
      f(static_cast<const C*>(block), count, kReducePanel);
    }
  }
}

// A sum in about twice the precision of double (Neumaier).
struct LongSum {
  double total = 0.0;
  double lost = 0.0;

  void add(double x) {
    const double next = total + x;
    if (next - next == 0.0) lost += std::abs(total) >= std::abs(x) ? (total - next) + x : (x - next) + total;
    total = next;
  }
  void add(const LongSum& other) {
    add(other.total);
    lost += other.lost;
  }
  double value() const { return total - total == 0.0 ? total + lost : total; }
};

constexpr int64_t kShortLine = 16;  // shorter lines are not worth an indirect call

}  // namespace rushlight::kernels

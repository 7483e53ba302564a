// The loops of reductions that are compiled per ISA level (see Note [ISA translation units]).
#pragma once

#include <cstdint>

#include "rushlight/kernels/isa.h"

namespace rushlight::kernels {

// Rows are contiguous. Sums run in short blocks of T whose results are combined in double. Columns: `rows`
// rows of `columns` neighbouring elements, `pitch` elements apart; at most kReducePanel columns, and at most
// kReduceRows rows, so that sums need not be compensated.
constexpr int64_t kReducePanel = 256;
constexpr int64_t kReduceRows = 256;

template <class T>
struct ReduceTable {
  double (*sum)(const T* src, int64_t n);
  double (*abs_sum)(const T* src, int64_t n);
  double (*square_sum)(const T* src, int64_t n, T center);  // of (src - center)
  T (*max)(const T* src, int64_t n);                        // NaN if there is one; -inf for n = 0
  T (*min)(const T* src, int64_t n);
  int64_t (*find)(const T* src, int64_t n, T value);  // first position; n if nowhere; a NaN finds any NaN
  // dst[c] = sum over the rows; square_columns: of (src - center[c])^2
  void (*sum_columns)(const T* src, int64_t rows, int64_t pitch, int64_t columns, double* dst);
  void (*square_columns)(const T* src, int64_t rows, int64_t pitch, int64_t columns, const T* center,
                         double* dst);
  // dst[c] = max(dst[c], rows)
  void (*max_columns)(const T* src, int64_t rows, int64_t pitch, int64_t columns, T* dst);
  void (*min_columns)(const T* src, int64_t rows, int64_t pitch, int64_t columns, T* dst);
};

// The same sums of 16-bit floats, in float.
struct HalfSums {
  double (*sum)(const uint16_t* src, int64_t n);
  void (*sum_columns)(const uint16_t* src, int64_t rows, int64_t pitch, int64_t columns, double* dst);
};

namespace generic {
extern const ReduceTable<float> kReduceF32;
extern const ReduceTable<double> kReduceF64;
extern const HalfSums kBf16Sums, kF16Sums;
}  // namespace generic
namespace avx2 {
extern const ReduceTable<float> kReduceF32;
extern const ReduceTable<double> kReduceF64;
extern const HalfSums kBf16Sums, kF16Sums;
}  // namespace avx2
namespace avx512 {
extern const ReduceTable<float> kReduceF32;
extern const ReduceTable<double> kReduceF64;
extern const HalfSums kBf16Sums, kF16Sums;
}  // namespace avx512

// The table of the level in use.
template <class T>
const ReduceTable<T>& reduce_table();

}  // namespace rushlight::kernels

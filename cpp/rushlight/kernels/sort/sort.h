// Ordering rows and running sums. NaN counts as the largest value, as in PyTorch.
#pragma once

#include <cstdint>

#include "rushlight/base/dtype.h"

namespace rushlight::kernels {

// Sorts each of `rows` contiguous rows of n; equal elements keep their order. `index`: positions in the row.
void sort_rows(DType dtype, int64_t rows, int64_t n, bool descending, const void* src, void* values,
               int64_t* index);

// The k largest or smallest of each row, in order (of equal elements the first); results are rows of k.
void topk_rows(DType dtype, int64_t rows, int64_t n, int64_t k, bool largest, const void* src, void* values,
               int64_t* index);

// The k-th smallest (k from 0) of each row; results are one element a row.
void kth_rows(DType dtype, int64_t rows, int64_t n, int64_t k, const void* src, void* values, int64_t* index);

// Running sum or product along the middle dimension of contiguous (outer, n, inner) data. Floats accumulate
// in double.
void cumulate(bool product, DType dtype, int64_t outer, int64_t n, int64_t inner, const void* src, void* dst);

}  // namespace rushlight::kernels

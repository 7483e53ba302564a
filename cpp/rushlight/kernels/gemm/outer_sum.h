// A matrix as the sum of few outer products: the weight gradient of a layer that saw few pixels or rows.
#pragma once

#include <cstdint>

namespace rushlight::kernels {

// (row, column) = sum over terms t, ascending, of left[t * rows + row] * right[t * columns + column].
struct OuterSum {
  int64_t rows, columns, terms;
  const float* left;
  const float* right;
};

// Whether the factors are worth keeping instead of the matrix.
bool outer_sum_pays(int64_t rows, int64_t columns, int64_t terms);
// The matrix, row by row.
void outer_sum(const OuterSum& factors, float* out);

// out[o * pitch + j] = sum over terms t of left[t * rows + o] * right[t * apart + j], for `width` columns; it
// is written from end to end, a few rows at a time.
template <class T>
void multiply_outer(int64_t terms, const T* left, int64_t rows, const T* right, int64_t width, int64_t apart,
                    T* out, int64_t pitch);

}  // namespace rushlight::kernels

// A matrix as the sum of few outer products.
#pragma once

#include <cstdint>

namespace rushlight::kernels {

// (row, column) = sum over terms t, ascending, of left[t * rows + row] * right[t * columns + column].
struct OuterSum {
  int64_t rows, columns, terms;
  const float* left;
  const float* right;
};

}  // namespace rushlight::kernels

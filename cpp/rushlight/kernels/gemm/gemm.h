// Matrix multiplication: C = A B, optionally + C or + bias. Raw pointers, strides in elements.
//
// The five loops of BLIS: columns by NC, depth by KC, rows; inside a block, register tiles of MR x NR.
// Threads live in the loops (gemm.cpp), the register tiles in the level's files. The order in which an
// element of C is summed depends on the shapes and strides only.
#pragma once

#include <cstdint>
#include <string>

#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/wide.h"

namespace rushlight::kernels {

template <class T>
struct GemmArgs {
  int64_t m = 0, n = 0, k = 0;
  const T* a = nullptr;  // m x k, any strides
  int64_t a_row = 0, a_col = 0;
  const T* b = nullptr;  // k x n, any strides
  int64_t b_row = 0, b_col = 0;
  T* c = nullptr;  // m x n; c_col or c_row must be 1
  int64_t c_row = 0, c_col = 1;
  bool accumulate = false;        // add to what C holds
  const Wide<T>* bias = nullptr;  // n values added to every row; needs c_col == 1 and no accumulate
  int64_t batch = 1;
  int64_t a_batch = 0, b_batch = 0, c_batch = 0;  // strides between the matrices of a batch
};

// float and double: dispatched kernels. int64_t, int32_t, int16_t, int8_t, uint8_t: plain loops that wrap
// around.
template <class T>
void gemm(const GemmArgs<T>& args);
// bfloat16 operands and results, sums in float32 that are rounded once; needs c_col == 1. For tiles alone:
// false, and nothing is done, if there are none or they would not pay.
bool gemm_bf16(const GemmArgs<uint16_t>& args);

// What a register-tile kernel is given: `segments` runs of k steps each, over which
//   c[i][j] (+)= sum over s, p of a[s][a_panel * (i / rows) + i % rows + p * a_k] * b[s * b_step + panel(j) +
//   p * b_k + j % NR]
// with panel(j) = b_panel * (j / NR). One segment of packed panels is a matrix product; several segments with
// a_k the pixel pitch are the weight gradient of a convolution.
template <class T>
struct GemmBlock {
  int64_t m, n, k;
  int64_t rows;  // rows of a panel of A, at most MR
  int64_t segments;
  const T* const* a;
  int64_t a_panel, a_k;
  const T* b;
  int64_t b_panel, b_k, b_step;
  T* c;
  int64_t c_row;
  bool accumulate;
  const T* bias;
};

// Both operands contiguous along k, few rows: c[i * c_row + j * c_col] (+)= dot(a + i * a_row, b + j * b_col)
// + bias[i * bias_row + j * bias_col].
template <class T>
struct GemmDots {
  int64_t m, n, k;
  const T* a;
  int64_t a_row;
  const T* b;
  int64_t b_col;
  T* c;
  int64_t c_row, c_col;
  bool accumulate;
  const T* bias;
  int64_t bias_row, bias_col;
};

// Packs `lanes` rows (of A) or columns (of B) into dst[p * width + lane], p < k; lanes up to width become
// zero.
template <class T>
struct GemmPanel {
  int64_t lanes, width, k;
  const T* src;
  int64_t lane_stride, k_stride;
  T* dst;
  int64_t period = 1, apart = 0;
};

// One row of kernels.inc.
template <class T>
struct GemmKernel {
  const char* name;
  Isa isa;
  int64_t mr, nr;      // register tile
  int64_t mc, kc, nc;  // rows, depth and columns of a block, elements
  void (*block)(const GemmBlock<T>&);
  void (*dots)(const GemmDots<T>&);
  void (*pack)(const GemmPanel<T>&);  // all null where the compiler cannot build the level
  bool split;                         // tiles take what is large enough
};

// Every row for T, best first, the generic one last.
template <class T>
const GemmKernel<T>* gemm_kernels(int* count);
// The row used at a level; `why` (if given) tells why each better one was refused.
template <class T>
const GemmKernel<T>& select_gemm(Isa isa, std::string* why = nullptr);

// How a problem is run: Dots and Direct read B where it lies, because packing it would cost more than it
// saves; Tiles: see Note [Split products].
enum class GemmPath { Dots, Direct, Packed, Tiles };
template <class T>
GemmPath select_gemm_path(const GemmArgs<T>& args, const GemmKernel<T>& kernel);

// gemm with a given row (tests and benches).
template <class T>
void gemm_with(const GemmKernel<T>& kernel, const GemmArgs<T>& args);

// Rows per panel that split m evenly: 64 rows are five panels of 13, not four of 14 and one of 8.
inline int64_t even_rows(int64_t m, int64_t mr) {
  const int64_t panels = (m + mr - 1) / mr;
  return panels == 0 ? mr : (m + panels - 1) / panels;
}

}  // namespace rushlight::kernels

// The products of skinny_bf16.cpp on AMX tiles. W is the type of weights in memory: float, rounded to
// bfloat16 as it is read, or uint16_t, which is bfloat16. Panels are those of SplitKernel<uint16_t>: 32 rows
// of A or columns of B, one step of 32 after the other, each of two tiles.
#pragma once

#include <cstdint>

#include "rushlight/kernels/conv2d/columns.h"

namespace rushlight::kernels {

// Weights are brought into tiles some steps at a time, while those before are multiplied.
constexpr int64_t kRowSteps = 4;   // of a forward product
constexpr int64_t kPairSteps = 2;  // of the source's gradient

// Up to 32 outputs of all pixels: rows of weights times columns of pixels.
template <class W>
struct SkinnyForward {
  const W* weight;  // the first row
  int64_t outputs, depth;
  const uint16_t* columns;  // panels of pixels
  int64_t pixels;
  uint16_t* rounded;     // room for 2 * kRowSteps steps
  float* sums;           // room for a panel of pixels each
  const float* bias;     // of the first output, or null
  uint16_t* dst;         // the first output of the first pixel; pixels are `pitch` numbers apart
  const uint16_t* more;  // what is added to each result, ordered as dst, or null
  int64_t pitch;
  bool relu;
};

// columns[pixel * pitch + j] = sum over outputs of a pixel's gradient times column j of the weights, for
// `width` columns. Whole panels are written, of pixels and of columns.
template <class W>
struct SkinnyGradSrc {
  const W* weight;  // the first column of the first row; rows are `depth` numbers apart
  int64_t outputs, depth, width;
  const uint16_t* grad;  // panels of pixels
  int64_t pixels;
  uint16_t* rounded;  // room for 2 * kPairSteps steps of a panel each
  float* columns;
  int64_t pitch;
};

// out[output * depth + j] = sum over pixels of an output's gradient times what the pixel reads in column j.
template <class W>
struct SkinnyGradWeight {
  const uint16_t* grad;     // panels of outputs, over pixels
  const uint16_t* columns;  // panels of columns, over pixels
  int64_t outputs, width, pixels;
  W* out;
  int64_t depth;
};

namespace amx {
void take_taps_bf16(const TapColumns<uint16_t>& x);
void skinny_forward(const SkinnyForward<float>& x);
void skinny_forward(const SkinnyForward<uint16_t>& x);
void skinny_grad_src(const SkinnyGradSrc<float>& x);
void skinny_grad_src(const SkinnyGradSrc<uint16_t>& x);
void skinny_grad_weight(const SkinnyGradWeight<float>& x);
void skinny_grad_weight(const SkinnyGradWeight<uint16_t>& x);
void round_row(const float* src, int64_t count, uint16_t* dst);
}  // namespace amx

}  // namespace rushlight::kernels

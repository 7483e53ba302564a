// What forward and the input gradient have in common.
#pragma once

#include <cstdint>
#include <vector>

#include "rushlight/kernels/conv2d/conv2d.h"

namespace rushlight::kernels {

struct Tap {
  int64_t row, col;  // source pixel = output pixel * step + this
  int64_t weight;    // offset of its plane in the weight
};

// Output pixel (i, j) = bias + sum over taps, channels of src[i * step_h + tap.row][j * step_w + tap.col] *
// weight. Forward is one such job; the input gradient is one per residue of the pixel position modulo the
// stride.
template <class T>
struct ConvJob {
  ImageView<const T> src;
  int64_t src_h, src_w, channels;  // channels of one group
  int64_t images, groups;
  int64_t step_h, step_w;
  std::vector<Tap> taps;  // by rows, then columns, both ascending
  const Wide<T>* weight;  // or null: see `narrow`
  int64_t weight_group, weight_output, weight_channel;
  ConvEpilogue<T> epilogue;  // its residual belongs to dst.data
  ImageView<T> dst;
  int64_t out_h, out_w, outputs;     // outputs of one group
  KeptWeights* kept = nullptr;       // see conv2d_forward
  const uint16_t* narrow = nullptr;  // the weights, if they are bfloat16; tiles alone know them
};

}  // namespace rushlight::kernels

// What the kernels of depthwise convolutions are given.
#pragma once

#include <cstdint>

#include "rushlight/kernels/conv2d/conv2d.h"

namespace rushlight::kernels {

// One row of results: dst[x * dst_step + c] = bias[c] + sum over t of src[t][x * src_step + c] * weight[t *
// channels + c], plus the residual there, then ReLU, where the epilogue asks for them.
template <class T>
struct DepthwiseRow {
  int64_t width, channels, taps;
  const T* const* src;
  int64_t src_step;
  const T* weight;
  ConvEpilogue<T> epilogue;  // the residual of this row
  T* dst;
  int64_t dst_step;
};

// One row's part of the weight gradient: grad_weight[t * channels + c] += sum over x of
// src[t][x * src_step + c] * grad[x * grad_step + c].
template <class T>
struct DepthwiseGradRow {
  int64_t width, channels, taps;
  const T* const* src;
  int64_t src_step;
  const T* grad;
  int64_t grad_step;
  T* grad_weight;
};

}  // namespace rushlight::kernels

// Convolution of images: forward, gradient of the input, gradient of the weight. Raw pointers, strides in
// elements.
//
// Activations are read through any strides (channels-last is fastest) and written channels-last; weights are
// OIHW. Forward and input gradient are the same computation, an implicit matrix product whose rows are the
// pixels of a register tile: see job.h. The weight gradient reuses the GEMM's register tiles.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/wide.h"

namespace rushlight::kernels {

struct Conv2dParams {
  int64_t images = 0;
  int64_t in_channels = 0, in_h = 0, in_w = 0;
  int64_t out_channels = 0, kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_h = 0, pad_w = 0;          // before the first row and column
  int64_t pad_h_end = 0, pad_w_end = 0;  // after the last
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;

  int64_t out_h() const {
    return (in_h + pad_h + pad_h_end - dilation_h * (kernel_h - 1) - 1) / stride_h + 1;
  }
  int64_t out_w() const {
    return (in_w + pad_w + pad_w_end - dilation_w * (kernel_w - 1) - 1) / stride_w + 1;
  }
  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
  int64_t taps() const { return kernel_h * kernel_w; }
  // Multiply-adds of one of the three directions.
  int64_t work() const { return images * out_h() * out_w() * out_channels * group_in() * taps(); }
};

// A batch of images somewhere in memory.
template <class T>
struct ImageView {
  T* data = nullptr;
  int64_t image = 0, row = 0, col = 0, channel = 0;
};
// Channels-last and without gaps.
template <class T>
ImageView<T> channels_last(T* data, int64_t h, int64_t w, int64_t c) {
  return {data, h * w * c, w * c, c, 1};
}

// What becomes of the sums on their way to memory: dst = relu(sums + bias + residual), the parts asked for.
template <class T>
struct ConvEpilogue {
  const Wide<T>* bias = nullptr;  // one per output channel
  const T* residual = nullptr;    // as large and as ordered as dst, apart from it
  bool relu = false;
};

// Weights in the order of a kernel (weights.h).
class PackedWeights;
using KeptWeights = std::shared_ptr<const PackedWeights>;

// dst (images, out_h, out_w, out_channels), channels-last. `kept` (if given) holds what the last call with
// the same weights left there, or null, and is given what this one made.
template <class T>
void conv2d_forward(const Conv2dParams& params, ImageView<const T> src, const T* weight,
                    const ConvEpilogue<T>& epilogue, T* dst, KeptWeights* kept = nullptr);
// grad_src (images, in_h, in_w, in_channels), channels-last.
template <class T>
void conv2d_grad_src(const Conv2dParams& params, ImageView<const T> grad_dst, const T* weight, T* grad_src);
// grad_weight: OIHW.
template <class T>
void conv2d_grad_weight(const Conv2dParams& params, ImageView<const T> src, ImageView<const T> grad_dst,
                        T* grad_weight);

// The three on bfloat16 images. Weights are bfloat16 (W = uint16_t) or float32, rounded to bfloat16 as they
// are read; the gradient of the weight has the weight's type. For tiles alone: false if there are none, if
// they would not pay, or if they met infinities or NaN; then the result is not valid.
template <class W>
bool conv2d_forward_bf16(const Conv2dParams& params, ImageView<const uint16_t> src, const W* weight,
                         const ConvEpilogue<uint16_t>& epilogue, uint16_t* dst, KeptWeights* kept = nullptr);
template <class W>
bool conv2d_grad_src_bf16(const Conv2dParams& params, ImageView<const uint16_t> grad_dst, const W* weight,
                          uint16_t* grad_src);
template <class W>
bool conv2d_grad_weight_bf16(const Conv2dParams& params, ImageView<const uint16_t> src,
                             ImageView<const uint16_t> grad_dst, W* grad_weight);

// What a register-tile kernel is given: `tiles` tiles of GROUPS runs of LEN pixels each, times `columns`
// outputs,
//   dst[run][pixel * dst_step + dst_offset + o] =
//       bias[o] + sum over t, c of src[run][tap_offset[t] + pixel * src_step + c] * weight[(t * channels + c)
//       * NR + o]
// plus the residual at the same distance from its start, then ReLU, where the epilogue asks for them. `chain`
// products at most follow each other in one sum.
template <class T>
struct ConvBlock {
  int64_t tiles;
  const T* const* src;
  T* const* dst;
  int64_t taps;
  const int64_t* tap_offset;
  int64_t channels, chain;
  int64_t src_step, dst_step, dst_offset;
  const T* weight;
  int64_t columns;
  ConvEpilogue<T> epilogue;  // bias for this block's outputs; the residual that belongs to dst_start
  const T* dst_start;
};

// One row of kernels.inc.
template <class T>
struct ConvKernel {
  const char* name;
  Isa isa;
  int64_t groups, length;              // runs of pixels in a tile, pixels in a run
  int64_t outputs;                     // NR
  int64_t width_multiple;              // used for output widths that are a multiple of this
  void (*block)(const ConvBlock<T>&);  // null where the compiler cannot build the level
  bool split;                          // tiles take over where they are faster: see Note [Split products]
};

// Every row for T, best first; the last fits any width at any level.
template <class T>
const ConvKernel<T>* conv2d_kernels(int* count);
// The row used for an output width at a level; `why` (if given) tells why each better one was refused.
template <class T>
const ConvKernel<T>& select_conv2d(Isa isa, int64_t out_w, std::string* why = nullptr);

// Forward with a given row (tests).
template <class T>
void conv2d_forward_with(const ConvKernel<T>& kernel, const Conv2dParams& params, ImageView<const T> src,
                         const T* weight, const ConvEpilogue<T>& epilogue, T* dst,
                         KeptWeights* kept = nullptr);

}  // namespace rushlight::kernels

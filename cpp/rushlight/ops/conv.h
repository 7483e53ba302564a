// Convolutions. Results are stored channels-last (Note [Physical layout] in tensor/storage.h).
#pragma once

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

struct Conv2dOptions {
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_h = 0, pad_w = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
  // Pad so that the output is as large as the input (stride 1 only); pad_h, pad_w are ignored.
  bool same = false;
  // A float32 weight (and bias) beside a bfloat16 input is taken, and rounded to bfloat16 where it is read.
  bool rounds_weight = false;
};

// (N, C, H, W) or (C, H, W), weight (O, C / groups, KH, KW), bias (O,) or undefined.
Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options);
// The same, + residual (as large as the result, or undefined), then ReLU if asked for, in one pass over the
// result. It has no backward: refuses operands that require gradients unless under no_grad.
Tensor conv2d_fused(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& residual,
                    bool relu, const Conv2dOptions& options);
// (N, C, L) or (C, L), weight (O, C / groups, K); the options' *_w count.
Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options);
// The adjoint of conv2d with the same options: input (N, C, H, W), weight (C, O / groups, KH, KW).
Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const Tensor& bias,
                        const Conv2dOptions& options, int64_t output_pad_h, int64_t output_pad_w);

}  // namespace rushlight::ops

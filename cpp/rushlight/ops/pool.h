// Pooling of (N, C, H, W) or (C, H, W) images. stride of 0 elements: the kernel's size.
#pragma once

#include <optional>

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

struct IntPair {
  int64_t h;
  int64_t w;
};

struct Pool2dOptions {
  IntPair kernel;
  IntPair stride;
  IntPair padding{0, 0};
  IntPair dilation{1, 1};
  bool ceil_mode = false;
  // Of averages only:
  bool count_include_pad = true;
  std::optional<int64_t> divisor_override = std::nullopt;
};

struct Pooled {
  Tensor values;
  Tensor indices;  // int64, h * width + w of each maximum; undefined if not asked for
};

Pooled max_pool2d(const Tensor& input, const Pool2dOptions& options, bool with_indices);
Tensor avg_pool2d(const Tensor& input, const Pool2dOptions& options);
// Windows [floor(i * size / out), ceil((i + 1) * size / out)); a missing output size is the input's.
Tensor adaptive_avg_pool2d(const Tensor& input, std::optional<int64_t> out_h, std::optional<int64_t> out_w);
Pooled adaptive_max_pool2d(const Tensor& input, std::optional<int64_t> out_h, std::optional<int64_t> out_w,
                           bool with_indices);

}  // namespace rushlight::ops

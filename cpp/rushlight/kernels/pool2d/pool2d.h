// Max and average pooling over windows of (height, width): plain, adaptive and dilated, forward and backward.
#pragma once

#include <cstdint>
#include <vector>

#include "rushlight/base/dtype.h"

namespace rushlight::kernels {

// The windows along one axis: output i reads input positions begin[i], begin[i] + step, ... below end[i].
struct PoolAxis {
  int64_t size;                // of the input
  int64_t step = 1;            // dilation
  std::vector<int64_t> begin;  // within [0, size)
  std::vector<int64_t> end;
  std::vector<int64_t> count;  // what an average divides by along this axis
  int64_t outputs() const { return static_cast<int64_t>(begin.size()); }
};

struct Pool2dParams {
  DType dtype;
  int64_t batch;
  int64_t channels;
  PoolAxis h;
  PoolAxis w;
  bool channels_last;   // memory is (batch, h, w, channels), else (batch, channels, h, w); not for float16
  int64_t divisor = 0;  // of an average; 0: count of h times count of w
};

// `index` (as large as dst): position h * width + w of the maximum, the first of equal ones; NaN beats
// everything.
void max_pool2d(const Pool2dParams& params, const void* src, void* dst, int64_t* index);
void max_pool2d_backward(const Pool2dParams& params, const void* grad_dst, const int64_t* index,
                         void* grad_src);
// dst[out] = src[index[out]]: the gradient of max_pool2d_backward.
void max_pool2d_gather(const Pool2dParams& params, const void* src, const int64_t* index, void* dst);

void avg_pool2d(const Pool2dParams& params, const void* src, void* dst);
void avg_pool2d_backward(const Pool2dParams& params, const void* grad_dst, void* grad_src);

}  // namespace rushlight::kernels

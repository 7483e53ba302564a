// Max and average pooling over windows of (height, width): plain, adaptive and dilated, forward and backward.
#pragma once

#include <cstdint>
#include <memory>
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
  int64_t longest() const;  // positions that a window has at most
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

// Windows so large that a byte does not number their positions must not be channels_last in max pooling.
bool max_pool2d_numbers_fit(const Pool2dParams& params);

// `where` (as large as dst) says which element is the maximum, the first of equal ones; NaN beats everything.
// Channels-last: uint8_t, its number within the window, row by row; else int64_t, the position h * width + w.
void max_pool2d(const Pool2dParams& params, const void* src, void* dst, void* where);
void max_pool2d_backward(const Pool2dParams& params, const void* grad_dst, const void* where, void* grad_src);
// dst[out] = the element of src that `where` says: the gradient of max_pool2d_backward.
void max_pool2d_gather(const Pool2dParams& params, const void* src, const void* where, void* dst);
// The positions h * width + w, channels-last.
void max_pool2d_positions(const Pool2dParams& params, const uint8_t* where, int64_t* position);

// An affine map per channel, (x - center) * scale + shift, in what sums of the elements' type have.
struct PoolAffine {
  const void* center;
  const void* scale;
  const void* shift;
};
// max_pool2d of max(0, the map of src), which is never written; `picked`: the elements of src that were
// chosen, by what they map to before it is rounded. Channels-last.
void max_pool2d_affine_relu(const Pool2dParams& params, const PoolAffine& map, const void* src, void* dst,
                            void* picked, uint8_t* where);

// max_pool2d_backward a few pixels at a time, on the calling thread, for kernels that use them at once.
// Channels-last.
class MaxPool2dBackward {
 public:
  // The arguments must outlive it.
  MaxPool2dBackward(const Pool2dParams& params, const void* grad_dst, const uint8_t* where);
  ~MaxPool2dBackward();
  // grad_src of `count` pixels from pixel `first` of the batch on.
  void pixels(int64_t first, int64_t count, void* grad_src) const;

 private:
  struct Covers;
  const Pool2dParams& params_;
  const void* grad_;
  const uint8_t* where_;
  std::unique_ptr<const Covers> covers_;
};

void avg_pool2d(const Pool2dParams& params, const void* src, void* dst);
void avg_pool2d_backward(const Pool2dParams& params, const void* grad_dst, void* grad_src);

}  // namespace rushlight::kernels

// Loop nests over strided operands: what every elementwise kernel runs in. Baseline code only (isa.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "rushlight/base/parallel.h"

namespace rushlight::kernels {

constexpr int kMaxDims = 64;

// Elements that make one piece of a parallel loop of cheap operations.
constexpr int64_t kElementwiseGrain = 32768;

// One operand as the caller sees it; strides in elements, 0 and negative ones included.
struct Operand {
  const void* data;
  const int64_t* strides;
  int64_t item_size;  // bytes
};

// True if elements lie one after the other in row-major order.
inline bool is_dense(int ndim, const int64_t* shape, const int64_t* strides) {
  int64_t expected = 1;
  for (int d = ndim - 1; d >= 0; --d) {
    if (shape[d] != 1 && strides[d] != expected) return false;
    expected *= shape[d];
  }
  return true;
}

inline int64_t count_elements(int ndim, const int64_t* shape) {
  int64_t count = 1;
  for (int d = 0; d < ndim; ++d) count *= shape[d];
  return count;
}

// The loop nest over N operands, operand 0 being the one that is written. Dimensions are stored
// innermost first, ordered by the stride of operand 0 (made positive), and merged where every
// operand allows it. Elements are visited in an order of our own, so they must be independent.
template <int N>
class StridedLoop {
 public:
  StridedLoop(int ndim, const int64_t* shape, const Operand (&operands)[N]) {
    for (int k = 0; k < N; ++k) {
      base_[k] = const_cast<char*>(static_cast<const char*>(operands[k].data));
      stride_[0][k] = 0;
    }
    shape_[0] = 1;
    for (int d = ndim - 1; d >= 0; --d) {
      count_ *= shape[d];
      if (shape[d] == 1) continue;
      if (shape[d] == 0) return;
      int64_t strides[N];
      for (int k = 0; k < N; ++k) strides[k] = operands[k].strides[d] * operands[k].item_size;
      insert(shape[d], strides);
    }
    merge();
  }

  int ndim() const { return ndim_; }
  int64_t count() const { return count_; }
  int64_t size(int d) const { return shape_[d]; }
  int64_t stride(int k, int d) const { return stride_[d][k]; }  // bytes
  char* base(int k) const { return base_[k]; }

  // Calls inner(char* const* pointers, const int64_t* strides_in_bytes, int64_t n) on runs along
  // dimension 0 that together cover everything. `grain` is the number of elements of a piece.
  template <class Inner>
  void run(int64_t grain, const Inner& inner) const {
    if (count_ <= grain) {
      if (count_ > 0) run_range(0, count_, inner);
      return;
    }
    if (shape_[0] < grain) grain = (grain + shape_[0] - 1) / shape_[0] * shape_[0];
    HeavyWork scope(count_);
    parallel_for(count_, grain, [&](int64_t begin, int64_t end) { run_range(begin, end, inner); });
  }

 private:
  // Keeps dimensions ordered: inner before outer by operand 0, later operands break ties.
  void insert(int64_t size, int64_t* strides) {
    if (strides[0] < 0) {
      for (int k = 0; k < N; ++k) {
        base_[k] += strides[k] * (size - 1);
        strides[k] = -strides[k];
      }
    }
    int at = ndim_++;
    for (; at > 0 && lies_inside(strides, stride_[at - 1]); --at) {
      shape_[at] = shape_[at - 1];
      std::copy_n(stride_[at - 1], N, stride_[at]);
    }
    shape_[at] = size;
    std::copy_n(strides, N, stride_[at]);
  }

  static bool lies_inside(const int64_t* a, const int64_t* b) {
    for (int k = 0; k < N; ++k) {
      const int64_t left = std::abs(a[k]);
      const int64_t right = std::abs(b[k]);
      if (left != right) return left < right;
    }
    return false;
  }

  void merge() {
    int last = 0;
    for (int d = 1; d < ndim_; ++d) {
      bool follows = true;
      for (int k = 0; k < N; ++k) follows = follows && stride_[d][k] == stride_[last][k] * shape_[last];
      if (follows) {
        shape_[last] *= shape_[d];
        continue;
      }
      ++last;
      shape_[last] = shape_[d];
      std::copy_n(stride_[d], N, stride_[last]);
    }
    ndim_ = std::min(ndim_, last + 1);
  }

  template <class Inner>
  void run_range(int64_t begin, int64_t end, const Inner& inner) const {
    int64_t index[kMaxDims];
    char* pointers[N];
    std::copy_n(base_, N, pointers);
    int64_t rest = begin;
    for (int d = 0; d < ndim_; ++d) {
      index[d] = rest % shape_[d];
      rest /= shape_[d];
      for (int k = 0; k < N; ++k) pointers[k] += index[d] * stride_[d][k];
    }
    if (ndim_ == 0) index[0] = 0;
    for (;;) {
      const int64_t n = std::min(shape_[0] - index[0], end - begin);
      inner(static_cast<char* const*>(pointers), stride_[0], n);
      begin += n;
      if (begin >= end) return;
      for (int k = 0; k < N; ++k) pointers[k] -= index[0] * stride_[0][k];
      index[0] = 0;
      for (int d = 1; d < ndim_; ++d) {
        for (int k = 0; k < N; ++k) pointers[k] += stride_[d][k];
        if (++index[d] < shape_[d]) break;
        for (int k = 0; k < N; ++k) pointers[k] -= shape_[d] * stride_[d][k];
        index[d] = 0;
      }
    }
  }

  int ndim_ = 0;
  int64_t count_ = 1;
  int64_t shape_[kMaxDims];
  int64_t stride_[kMaxDims][N];  // bytes
  char* base_[N];
};

}  // namespace rushlight::kernels

// The loops of softmax that are compiled per ISA level: on contiguous rows, and along the columns of n rows
// of at most kSoftmaxPanel neighbouring elements, `pitch` elements apart.
#pragma once

#include <cstdint>

#include "rushlight/kernels/isa.h"

namespace rushlight::kernels {

constexpr int64_t kSoftmaxPanel = 64;

template <class T>
struct SoftmaxTable {
  void (*softmax)(const T* src, T* dst, int64_t n, T max);
  void (*log_softmax)(const T* src, T* dst, int64_t n, T max);
  void (*softmax_backward)(const T* grad_dst, const T* dst, T* grad_src, int64_t n);
  void (*log_softmax_backward)(const T* grad_dst, const T* dst, T* grad_src, int64_t n);
  // grad_src = exp(dst) * factor
  void (*exp_scaled)(const T* dst, T factor, T* grad_src, int64_t n);
  // sum of exp(src - max), where max is none smaller than src
  double (*exp_sum)(const T* src, int64_t n, T max);
  void (*columns)(bool log, const T* src, T* dst, int64_t n, int64_t pitch, int64_t columns);
  void (*columns_backward)(bool log, const T* grad_dst, const T* dst, T* grad_src, int64_t n, int64_t pitch,
                           int64_t columns);
};

namespace generic {
extern const SoftmaxTable<float> kSoftmaxF32;
extern const SoftmaxTable<double> kSoftmaxF64;
}  // namespace generic
namespace avx2 {
extern const SoftmaxTable<float> kSoftmaxF32;
extern const SoftmaxTable<double> kSoftmaxF64;
}  // namespace avx2
namespace avx512 {
extern const SoftmaxTable<float> kSoftmaxF32;
extern const SoftmaxTable<double> kSoftmaxF64;
}  // namespace avx512

}  // namespace rushlight::kernels

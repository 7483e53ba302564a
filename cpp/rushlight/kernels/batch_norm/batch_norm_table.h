// The loops of batch normalisation that are compiled per ISA level. "Rows" loops work on `rows` rows of one
// element a channel; "plane" loops on n elements of one channel.
#pragma once

#include <cstdint>

#include "rushlight/kernels/isa.h"

namespace rushlight::kernels {

// A forward pass uses center, scale, shift; a backward pass all four.
template <class T>
struct BatchNormCoefficients {
  const T* center;
  const T* scale;
  const T* shift;
  const T* src_scale;
};

template <class T>
struct BatchNormTable {
  void (*apply_rows)(const BatchNormCoefficients<T>& k, const T* src, T* dst, int64_t rows, int64_t channels);
  void (*apply_plane)(T center, T scale, T shift, const T* src, T* dst, int64_t n);
  void (*backward_rows)(const BatchNormCoefficients<T>& k, const T* src, const T* grad, T* dst, int64_t rows,
                        int64_t channels);
  void (*backward_plane)(T center, T scale, T shift, T src_scale, const T* src, const T* grad, T* dst,
                         int64_t n);
  // Adds to sums[0] and sums[1] (rows: of every channel) the sums of grad and of grad * (src - center).
  void (*sum_rows)(const T* src, const T* grad, const T* center, int64_t rows, int64_t pitch,
                   int64_t channels, double* sum_grad, double* sum_product);
  void (*sum_plane)(const T* src, const T* grad, T center, int64_t n, double* sum_grad, double* sum_product);
};

namespace generic {
extern const BatchNormTable<float> kBatchNormF32;
extern const BatchNormTable<double> kBatchNormF64;
}  // namespace generic
namespace avx2 {
extern const BatchNormTable<float> kBatchNormF32;
extern const BatchNormTable<double> kBatchNormF64;
}  // namespace avx2
namespace avx512 {
extern const BatchNormTable<float> kBatchNormF32;
extern const BatchNormTable<double> kBatchNormF64;
}  // namespace avx512

}  // namespace rushlight::kernels

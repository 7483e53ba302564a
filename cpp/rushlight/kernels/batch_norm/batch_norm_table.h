// The loops of batch normalisation that are compiled per ISA level. "Rows" loops work on `rows` rows of one
// element a channel; "plane" loops on n elements of one channel.
#pragma once

#include <cstdint>

#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/wide.h"

namespace rushlight::kernels {

// One value a channel each. A forward pass uses center, scale and shift.
template <class T>
struct BatchNormCoefficients {
  const T* center;
  const T* scale;
  const T* shift;
  const T* src_scale;   // backward only
  const T* gate_scale;  // backward through a ReLU: its forward pass's scale and shift; else null
  const T* gate_shift;
};

// What the sums of a backward pass read and write. With a `result`, that of a ReLU behind the normalisation
// (or behind a sum with it), the gradient passes only where it is positive, and what passes is written to
// `passed`, which may be `grad`.
template <class T>
struct BatchNormTerms {
  const T* src;
  const T* grad;
  const T* result;  // null: none
  T* passed;
};

// T: of the elements in memory; uint16_t stands for bfloat16.
template <class T>
struct BatchNormTable {
  // `residual` is null or laid out like src. `stream`: dst will leave the caches before it is read.
  void (*apply_rows)(const BatchNormCoefficients<Wide<T>>& k, const T* src, const T* residual, bool relu,
                     T* dst, int64_t rows, int64_t channels, bool stream);
  void (*apply_plane)(const BatchNormCoefficients<Wide<T>>& k, int64_t channel, const T* src,
                      const T* residual, bool relu, T* dst, int64_t n);
  void (*backward_rows)(const BatchNormCoefficients<Wide<T>>& k, const T* src, const T* grad, T* dst,
                        int64_t rows, int64_t channels, bool stream);
  void (*backward_plane)(const BatchNormCoefficients<Wide<T>>& k, int64_t channel, const T* src,
                         const T* grad, T* dst, int64_t n);
  // Adds to the sums (rows: of every channel) those of the gradient and of it times (src - center).
  void (*sum_rows)(const BatchNormCoefficients<Wide<T>>& k, const BatchNormTerms<T>& terms, int64_t rows,
                   int64_t channels, double* sum_grad, double* sum_product);
  void (*sum_plane)(const BatchNormCoefficients<Wide<T>>& k, int64_t channel, const BatchNormTerms<T>& terms,
                    int64_t n, double* sum_grad, double* sum_product);
  // Chooses a center for each channel and adds the sums of (src - center) and of its square.
  void (*moment_rows)(const T* src, int64_t rows, int64_t channels, Wide<T>* center, double* sum,
                      double* square_sum);
};

namespace generic {
extern const BatchNormTable<float> kBatchNormF32;
extern const BatchNormTable<double> kBatchNormF64;
extern const BatchNormTable<uint16_t> kBatchNormBf16;
}  // namespace generic
namespace avx2 {
extern const BatchNormTable<float> kBatchNormF32;
extern const BatchNormTable<double> kBatchNormF64;
extern const BatchNormTable<uint16_t> kBatchNormBf16;
}  // namespace avx2
namespace avx512 {
extern const BatchNormTable<float> kBatchNormF32;
extern const BatchNormTable<double> kBatchNormF64;
extern const BatchNormTable<uint16_t> kBatchNormBf16;
}  // namespace avx512

}  // namespace rushlight::kernels

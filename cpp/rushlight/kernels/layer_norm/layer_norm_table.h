// The loops of layer normalisation that are compiled per ISA level: one row.
#pragma once

#include <cstdint>

#include "rushlight/kernels/isa.h"

namespace rushlight::kernels {

template <class T>
struct LayerNormTable {
  // Mean and sum of squared deviations from it.
  void (*moments)(const T* src, int64_t n, double* mean, double* squares);
  void (*apply)(const T* src, int64_t n, T mean, T inverse, const T* weight, const T* bias, T* dst);
  // grad_src = (g - a - normal * b) * inverse with g = grad * weight, normal = (src - mean) * inverse and a,
  // b the means of g and g * normal over the row.
  void (*backward)(const T* src, const T* grad, int64_t n, T mean, T inverse, const T* weight, T* grad_src);
  // Adds grad * normal to sum_weight and grad to sum_bias, element by element.
  void (*sums)(const T* src, const T* grad, int64_t n, T mean, T inverse, T* sum_weight, T* sum_bias);
};

namespace generic {
extern const LayerNormTable<float> kLayerNormF32;
extern const LayerNormTable<double> kLayerNormF64;
}  // namespace generic
namespace avx2 {
extern const LayerNormTable<float> kLayerNormF32;
extern const LayerNormTable<double> kLayerNormF64;
}  // namespace avx2
namespace avx512 {
extern const LayerNormTable<float> kLayerNormF32;
extern const LayerNormTable<double> kLayerNormF64;
}  // namespace avx512

}  // namespace rushlight::kernels

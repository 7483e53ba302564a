// Batch normalisation's loops, one copy per ISA level.
#pragma once

#include "rushlight/kernels/batch_norm/batch_norm_table.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

// Rows or vectors whose sum stays in T before it goes into a double.
constexpr int64_t kShortSum = 16;

template <class T>
void apply_rows(const BatchNormCoefficients<T>& k, const T* src, T* dst, int64_t rows, int64_t channels) {
  using V = Vec<T>;
  for (int64_t r = 0; r < rows; ++r, src += channels, dst += channels)
    for (int64_t c = 0; c < channels; c += V::kLanes) {
      const int64_t left = channels - c;
      const V x = load_n(src + c, left) - load_n(k.center + c, left);
      store_n(dst + c, fma(x, load_n(k.scale + c, left), load_n(k.shift + c, left)), left);
    }
}

template <class T>
void apply_plane(T center, T scale, T shift, const T* src, T* dst, int64_t n) {
  using V = Vec<T>;
  const V middle(center), factor(scale), offset(shift);
  for (int64_t i = 0; i < n; i += V::kLanes)
    store_n(dst + i, fma(load_n(src + i, n - i) - middle, factor, offset), n - i);
}

template <class T>
void backward_rows(const BatchNormCoefficients<T>& k, const T* src, const T* grad, T* dst, int64_t rows,
                   int64_t channels) {
  using V = Vec<T>;
  for (int64_t r = 0; r < rows; ++r, src += channels, grad += channels, dst += channels)
    for (int64_t c = 0; c < channels; c += V::kLanes) {
      const int64_t left = channels - c;
      const V x = load_n(src + c, left) - load_n(k.center + c, left);
      const V from_src = fma(x, load_n(k.src_scale + c, left), load_n(k.shift + c, left));
      store_n(dst + c, fma(load_n(grad + c, left), load_n(k.scale + c, left), from_src), left);
    }
}

template <class T>
void backward_plane(T center, T scale, T shift, T src_scale, const T* src, const T* grad, T* dst, int64_t n) {
  using V = Vec<T>;
  const V middle(center), factor(scale), offset(shift), src_factor(src_scale);
  for (int64_t i = 0; i < n; i += V::kLanes) {
    const V from_src = fma(load_n(src + i, n - i) - middle, src_factor, offset);
    store_n(dst + i, fma(load_n(grad + i, n - i), factor, from_src), n - i);
  }
}

template <class T>
void add_lanes(Vec<T> v, int64_t count, double* dst) {
  T lanes[Vec<T>::kLanes];
  v.store(lanes);
  for (int64_t l = 0; l < Vec<T>::kLanes && l < count; ++l) dst[l] += static_cast<double>(lanes[l]);
}

template <class T>
void sum_rows(const T* src, const T* grad, const T* center, int64_t rows, int64_t pitch, int64_t channels,
              double* sum_grad, double* sum_product) {
  using V = Vec<T>;
  for (int64_t begin = 0; begin < rows; begin += kShortSum) {
    const int64_t end = rows - begin < kShortSum ? rows : begin + kShortSum;
    for (int64_t c = 0; c < channels; c += V::kLanes) {
      const int64_t left = channels - c;
      const V middle = load_n(center + c, left);
      V total(T(0)), product(T(0));
      for (int64_t r = begin; r < end; ++r) {
        const V g = load_n(grad + r * pitch + c, left);
        total = total + g;
        product = fma(g, load_n(src + r * pitch + c, left) - middle, product);
      }
      add_lanes(total, left, sum_grad + c);
      add_lanes(product, left, sum_product + c);
    }
  }
}

template <class T>
void sum_plane(const T* src, const T* grad, T center, int64_t n, double* sum_grad, double* sum_product) {
  using V = Vec<T>;
  const V middle(center);
  for (int64_t begin = 0; begin < n; begin += kShortSum * V::kLanes) {
    const int64_t end = n - begin < kShortSum * V::kLanes ? n : begin + kShortSum * V::kLanes;
    V total(T(0)), product(T(0));
    for (int64_t i = begin; i < end; i += V::kLanes) {
      const V g = load_n(grad + i, end - i);  // missing lanes are zero
      total = total + g;
      product = fma(g, load_n(src + i, end - i) - middle, product);
    }
    *sum_grad += static_cast<double>(reduce_add(total));
    *sum_product += static_cast<double>(reduce_add(product));
  }
}

template <class T>
constexpr BatchNormTable<T> make_batch_norm_table() {
  return {apply_rows<T>, apply_plane<T>, backward_rows<T>, backward_plane<T>, sum_rows<T>, sum_plane<T>};
}

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

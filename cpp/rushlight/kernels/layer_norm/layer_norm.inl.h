// Layer normalisation's loops, one copy per ISA level.
#pragma once

#include "rushlight/kernels/layer_norm/layer_norm_table.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

// Sums the two results of term(i, left, sums) over the row, in vectors of T that go into doubles every few
// steps. Missing lanes of the last vector must give 0.
template <class T, class Term>
inline void row_sums(int64_t n, double* first, double* second, Term term) {
  using V = Vec<T>;
  constexpr int64_t kShort = 32 * V::kLanes;
  *first = *second = 0.0;
  for (int64_t begin = 0; begin < n; begin += kShort) {
    const int64_t end = n - begin < kShort ? n : begin + kShort;
    V sums[2] = {V(T(0)), V(T(0))};
    for (int64_t i = begin; i < end; i += V::kLanes) term(i, end - i, sums);
    *first += static_cast<double>(reduce_add(sums[0]));
    *second += static_cast<double>(reduce_add(sums[1]));
  }
}

// 1 in the lanes that exist: what makes missing ones drop out of a sum.
template <class T>
inline Vec<T> present(int64_t left) {
  const Vec<T> ones(T(1));
  if (left >= Vec<T>::kLanes) return ones;
  T lanes[Vec<T>::kLanes];
  ones.store(lanes);
  return Vec<T>::load_partial(lanes, left);
}

// Two passes, the second from the cache: means far from zero do no harm.
template <class T>
void moments(const T* src, int64_t n, double* mean, double* squares) {
  using V = Vec<T>;
  double unused;
  row_sums<T>(n, mean, &unused,
              [=](int64_t i, int64_t left, V* sums) { sums[0] = sums[0] + load_n(src + i, left); });
  const auto count = static_cast<double>(n);
  const T center = static_cast<T>(*mean / count);
  const V middle(center);
  double rest;
  row_sums<T>(n, &rest, squares, [=](int64_t i, int64_t left, V* sums) {
    V x = load_n(src + i, left) - middle;
    if (left < V::kLanes) x = x * present<T>(left);
    sums[0] = sums[0] + x;
    sums[1] = fma(x, x, sums[1]);
  });
  const double shift = rest / count;  // the deviations were taken from a rounded mean
  *mean = static_cast<double>(center) + shift;
  const double corrected = *squares - count * shift * shift;
  *squares = corrected < 0.0 ? 0.0 : corrected;
}

template <class T>
void apply(const T* src, int64_t n, T mean, T inverse, const T* weight, const T* bias, T* dst) {
  using V = Vec<T>;
  const V middle(mean), factor(inverse), zero(T(0));
  for (int64_t i = 0; i < n; i += V::kLanes) {
    const int64_t left = n - i;
    V y = (load_n(src + i, left) - middle) * factor;
    if (weight != nullptr)
      y = fma(y, load_n(weight + i, left), bias != nullptr ? load_n(bias + i, left) : zero);
    else if (bias != nullptr)
      y = y + load_n(bias + i, left);
    store_n(dst + i, y, left);
  }
}

template <class T>
void backward(const T* src, const T* grad, int64_t n, T mean, T inverse, const T* weight, T* grad_src) {
  using V = Vec<T>;
  const V middle(mean), factor(inverse);
  const auto scaled = [=](int64_t i, int64_t left) {
    const V g = load_n(grad + i, left);
    return weight != nullptr ? g * load_n(weight + i, left) : g;
  };
  double sum, product;
  row_sums<T>(n, &sum, &product, [=](int64_t i, int64_t left, V* sums) {
    const V g = scaled(i, left);  // 0 in missing lanes
    sums[0] = sums[0] + g;
    sums[1] = fma(g, (load_n(src + i, left) - middle) * factor, sums[1]);
  });
  const V share(static_cast<T>(sum / static_cast<double>(n)));
  const V slope(static_cast<T>(product / static_cast<double>(n)));
  for (int64_t i = 0; i < n; i += V::kLanes) {
    const int64_t left = n - i;
    const V normal = (load_n(src + i, left) - middle) * factor;
    store_n(grad_src + i, (scaled(i, left) - share - normal * slope) * factor, left);
  }
}

template <class T>
void sums(const T* src, const T* grad, int64_t n, T mean, T inverse, T* sum_weight, T* sum_bias) {
  using V = Vec<T>;
  const V middle(mean), factor(inverse);
  for (int64_t i = 0; i < n; i += V::kLanes) {
    const int64_t left = n - i;
    const V g = load_n(grad + i, left);
    const V normal = (load_n(src + i, left) - middle) * factor;
    store_n(sum_weight + i, fma(g, normal, load_n(sum_weight + i, left)), left);
    store_n(sum_bias + i, load_n(sum_bias + i, left) + g, left);
  }
}

template <class T>
constexpr LayerNormTable<T> make_layer_norm_table() {
  return {moments<T>, apply<T>, backward<T>, sums<T>};
}

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

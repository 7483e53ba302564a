// Softmax rows, one copy per ISA level.
#pragma once

#include <cmath>

#include "rushlight/kernels/softmax/softmax_table.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

// exp for x <= 0 (NaN stays NaN): x = k ln 2 + r, Taylor series of r up to the seventh power (1 ulp), times
// 2^k in two factors so that results below the smallest normal number come out rounded.
inline Vec<float> exp_nonpositive(Vec<float> x) {
  using V = Vec<float>;
  x = max(V(-104.0f), x);  // the second operand if NaN
  const V k = round(x * V(1.44269504f));
  V r = fma(k, V(-0.693359375f), x);
  r = fma(k, V(2.12194440e-4f), r);
  V p(1.0f / 5040);
  p = fma(p, r, V(1.0f / 720));
  p = fma(p, r, V(1.0f / 120));
  p = fma(p, r, V(1.0f / 24));
  p = fma(p, r, V(1.0f / 6));
  p = fma(p, r, V(0.5f));
  p = fma(p, r, V(1.0f));
  p = fma(p, r, V(1.0f));
  const Vec<int32_t> exponent = to_int(k);
  const Vec<int32_t> half = shift_right<1>(exponent);
  const Vec<int32_t> bias(127);
  const V low = from_bits(shift_left<23>(half + bias));
  const V high = from_bits(shift_left<23>(exponent - half + bias));
  return p * low * high;
}

inline Vec<double> exp_nonpositive(Vec<double> x) {
  double lanes[Vec<double>::kLanes];
  x.store(lanes);
  for (double& lane : lanes) lane = std::exp(lane);
  return Vec<double>::load(lanes);
}

// Sums element(i, left) over the row in vectors of T, which go into a double every few steps.
template <class T, class Element>
double row_sum(int64_t n, Element element) {
  constexpr int64_t kSteps = 64;
  const int64_t width = Vec<T>::kLanes;
  double total = 0.0;
  for (int64_t begin = 0; begin < n; begin += kSteps * width) {
    const int64_t end = n - begin < kSteps * width ? n : begin + kSteps * width;
    Vec<T> acc(T(0));
    for (int64_t i = begin; i < end; i += width) acc = acc + element(i, end - i);
    total += static_cast<double>(reduce_add(acc));
  }
  return total;
}

// Missing lanes of the last vector become zero.
template <class T>
inline Vec<T> clear_missing(Vec<T> v, int64_t left) {
  if (left >= Vec<T>::kLanes) return v;
  T lanes[Vec<T>::kLanes];
  v.store(lanes);
  return Vec<T>::load_partial(lanes, left);
}

template <class T>
void softmax(const T* src, T* dst, int64_t n, T max) {
  using V = Vec<T>;
  const V top(max);
  const double total = row_sum<T>(n, [=](int64_t i, int64_t left) {
    const V e = clear_missing(exp_nonpositive(load_n(src + i, left) - top), left);
    store_n(dst + i, e, left);
    return e;
  });
  const V divisor(static_cast<T>(total));
  for (int64_t i = 0; i < n; i += V::kLanes) store_n(dst + i, load_n(dst + i, n - i) / divisor, n - i);
}

template <class T>
void log_softmax(const T* src, T* dst, int64_t n, T max) {
  using V = Vec<T>;
  const V top(max);
  const double total = row_sum<T>(n, [=](int64_t i, int64_t left) {
    return clear_missing(exp_nonpositive(load_n(src + i, left) - top), left);
  });
  const V log_total(static_cast<T>(std::log(total)));
  for (int64_t i = 0; i < n; i += V::kLanes)
    store_n(dst + i, load_n(src + i, n - i) - top - log_total, n - i);
}

template <class T>
void softmax_backward(const T* grad_dst, const T* dst, T* grad_src, int64_t n) {
  using V = Vec<T>;
  const double dot = row_sum<T>(
      n, [=](int64_t i, int64_t left) { return load_n(grad_dst + i, left) * load_n(dst + i, left); });
  const V inner(static_cast<T>(dot));
  for (int64_t i = 0; i < n; i += V::kLanes)
    store_n(grad_src + i, (load_n(grad_dst + i, n - i) - inner) * load_n(dst + i, n - i), n - i);
}

template <class T>
void log_softmax_backward(const T* grad_dst, const T* dst, T* grad_src, int64_t n) {
  using V = Vec<T>;
  const V total(
      static_cast<T>(row_sum<T>(n, [=](int64_t i, int64_t left) { return load_n(grad_dst + i, left); })));
  for (int64_t i = 0; i < n; i += V::kLanes)
    store_n(grad_src + i, load_n(grad_dst + i, n - i) - exp_nonpositive(load_n(dst + i, n - i)) * total,
            n - i);
}

template <class T>
void exp_scaled(const T* dst, T factor, T* grad_src, int64_t n) {
  using V = Vec<T>;
  for (int64_t i = 0; i < n; i += V::kLanes)
    store_n(grad_src + i, exp_nonpositive(load_n(dst + i, n - i)) * V(factor), n - i);
}

template <class T>
constexpr SoftmaxTable<T> make_softmax_table() {
  return {softmax<T>, log_softmax<T>, softmax_backward<T>, log_softmax_backward<T>, exp_scaled<T>};
}

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

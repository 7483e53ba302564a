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
double exp_sum(const T* src, int64_t n, T max) {
  const Vec<T> top(max);
  return row_sum<T>(n, [=](int64_t i, int64_t left) {
    return clear_missing(exp_nonpositive(load_n(src + i, left) - top), left);
  });
}

template <class T>
void log_softmax(const T* src, T* dst, int64_t n, T max) {
  using V = Vec<T>;
  const V top(max);
  const V log_total(static_cast<T>(std::log(exp_sum(src, n, max))));
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

// Calls f(column, columns left) for every vector of a row.
template <class T, class F>
inline void for_each_vector(int64_t columns, F f) {
  for (int64_t c = 0; c < columns; c += Vec<T>::kLanes) f(c, columns - c);
}

// totals[c] = sum of element(row, c, left) over the rows, in blocks of T that go into a double.
template <class T, class Element>
inline void column_sums(int64_t n, int64_t columns, double* totals, Element element) {
  constexpr int64_t kRows = 64;
  for (int64_t c = 0; c < columns; ++c) totals[c] = 0.0;
  for (int64_t begin = 0; begin < n; begin += kRows) {
    const int64_t end = n - begin < kRows ? n : begin + kRows;
    T part[kSoftmaxPanel] = {};
    for (int64_t i = begin; i < end; ++i)
      for_each_vector<T>(columns, [&](int64_t c, int64_t left) {
        store_n(part + c, load_n(part + c, left) + element(i, c, left), left);
      });
    for (int64_t c = 0; c < columns; ++c) totals[c] += static_cast<double>(part[c]);
  }
}

template <class T>
void softmax_columns(bool log, const T* src, T* dst, int64_t n, int64_t pitch, int64_t columns) {
  using V = Vec<T>;
  T top[kSoftmaxPanel];
  T divisor[kSoftmaxPanel];  // or what log_softmax subtracts
  double totals[kSoftmaxPanel];
  for (int64_t c = 0; c < columns; ++c) top[c] = src[c];
  for (int64_t i = 1; i < n; ++i)  // a NaN may get lost here: it comes back in the sum
    for_each_vector<T>(columns, [&](int64_t c, int64_t left) {
      store_n(top + c, max(load_n(src + i * pitch + c, left), load_n(top + c, left)), left);
    });
  const auto shifted_exp = [&](int64_t i, int64_t c, int64_t left) {
    return exp_nonpositive(load_n(src + i * pitch + c, left) - load_n(top + c, left));
  };
  if (log) {
    column_sums<T>(n, columns, totals, shifted_exp);
    for (int64_t c = 0; c < columns; ++c) divisor[c] = static_cast<T>(std::log(totals[c]));
  } else {
    column_sums<T>(n, columns, totals, [&](int64_t i, int64_t c, int64_t left) {
      const V e = shifted_exp(i, c, left);
      store_n(dst + i * pitch + c, e, left);
      return e;
    });
    for (int64_t c = 0; c < columns; ++c) divisor[c] = static_cast<T>(totals[c]);
  }
  for (int64_t i = 0; i < n; ++i)
    for_each_vector<T>(columns, [&](int64_t c, int64_t left) {
      const V by = load_n(divisor + c, left);
      const V y = log ? load_n(src + i * pitch + c, left) - load_n(top + c, left) - by
                      : load_n(dst + i * pitch + c, left) / by;
      store_n(dst + i * pitch + c, y, left);
    });
}

template <class T>
void softmax_columns_backward(bool log, const T* grad_dst, const T* dst, T* grad_src, int64_t n,
                              int64_t pitch, int64_t columns) {
  using V = Vec<T>;
  T inner[kSoftmaxPanel];
  double totals[kSoftmaxPanel];
  column_sums<T>(n, columns, totals, [&](int64_t i, int64_t c, int64_t left) {
    const V grad = load_n(grad_dst + i * pitch + c, left);
    return log ? grad : grad * load_n(dst + i * pitch + c, left);
  });
  for (int64_t c = 0; c < columns; ++c) inner[c] = static_cast<T>(totals[c]);
  for (int64_t i = 0; i < n; ++i)
    for_each_vector<T>(columns, [&](int64_t c, int64_t left) {
      const V grad = load_n(grad_dst + i * pitch + c, left);
      const V y = load_n(dst + i * pitch + c, left);
      const V sum = load_n(inner + c, left);
      store_n(grad_src + i * pitch + c, log ? grad - exp_nonpositive(y) * sum : (grad - sum) * y, left);
    });
}

template <class T>
void exp_scaled(const T* dst, T factor, T* grad_src, int64_t n) {
  using V = Vec<T>;
  for (int64_t i = 0; i < n; i += V::kLanes)
    store_n(grad_src + i, exp_nonpositive(load_n(dst + i, n - i)) * V(factor), n - i);
}

template <class T>
constexpr SoftmaxTable<T> make_softmax_table() {
  return {softmax<T>,    log_softmax<T>, softmax_backward<T>, log_softmax_backward<T>,
          exp_scaled<T>, exp_sum<T>,     softmax_columns<T>,  softmax_columns_backward<T>};
}

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

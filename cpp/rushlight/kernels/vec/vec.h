// Vectors of one register of the level a file is compiled for: Vec<float>, Vec<double>, Vec<int32_t> (as many
// lanes as Vec<float>) and Mask<T>, the result of comparing two of them. Same interface at every level;
// for ISA translation units only (see Note [ISA translation units]).
//
//   Vec<T>::kLanes                          elements in a register
//   Vec<T>(x), Vec<T>::load(p), .store(p)   broadcast; unaligned memory
//   load_partial(p, n), store_partial(p, n) the first n < kLanes elements only; missing lanes read as zero
//   + - * / unary-                          (no / for int32_t)
//   fma(a, b, c)                            a * b + c, rounded once where the level has FMA (all but generic)
//   min max                                 the second operand if either is NaN, as in x86
//   abs sqrt floor ceil trunc round         round: ties to even
//   < <= > >= == !=   & | ! of masks        select(mask, if_set, if_clear), any(mask)
//   reduce_add reduce_max reduce_min        over the lanes, in a fixed (tree) order
//   to_int to_float                         Vec<float> <-> Vec<int32_t>, ties to even
//   to_doubles to_float                     Vec<float> <-> Doubles (as many lanes), ties to even
//   + - of Doubles, number * Doubles
//   bits from_bits                          the same registers seen as the other type
//   & | ^  shift_left<N> shift_right<N>     of Vec<int32_t>; the right shift is arithmetic
//   load_bf16 load_f16 (p) (p, n)           16-bit floats widened to Vec<float>
//   store_bf16 store_f16 (p, v) (p, v, n)   narrowed, ties to even
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include "rushlight/kernels/vec/vec_avx512.h"
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include "rushlight/kernels/vec/vec_avx2.h"
#else
#include "rushlight/kernels/vec/vec_generic.h"
#include "rushlight/kernels/vec/vec_generic_halves.h"
#endif

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

// Over the lanes, halves first.
template <class T, class F>
inline T reduce_lanes(Vec<T> a, F f) {
  T part[Vec<T>::kLanes];
  a.store(part);
  for (int64_t half = Vec<T>::kLanes / 2; half > 0; half /= 2)
    for (int64_t i = 0; i < half; ++i) part[i] = f(part[i], part[i + half]);
  return part[0];
}
template <class T>
inline T reduce_add(Vec<T> a) {
  return reduce_lanes(a, [](T x, T y) { return x + y; });
}
template <class T>
inline T reduce_max(Vec<T> a) {
  return reduce_lanes(a, [](T x, T y) { return x > y ? x : y; });
}
template <class T>
inline T reduce_min(Vec<T> a) {
  return reduce_lanes(a, [](T x, T y) { return x < y ? x : y; });
}

inline Doubles operator+(Doubles a, Doubles b) { return {a.low + b.low, a.high + b.high}; }
inline Doubles operator-(Doubles a, Doubles b) { return {a.low - b.low, a.high - b.high}; }
inline Doubles operator*(double a, Doubles b) {
  const Vec<double> factor(a);
  return {factor * b.low, factor * b.high};
}

// The first min(n, kLanes) elements: for loops whose last step is a part of a vector.
template <class T>
inline Vec<T> load_n(const T* p, int64_t n) {
  return n >= Vec<T>::kLanes ? Vec<T>::load(p) : Vec<T>::load_partial(p, n);
}
template <class T>
inline void store_n(T* p, Vec<T> v, int64_t n) {
  if (n >= Vec<T>::kLanes)
    v.store(p);
  else
    v.store_partial(p, n);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

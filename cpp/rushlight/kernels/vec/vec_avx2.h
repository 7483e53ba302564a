// The interface of vec.h on 256-bit registers: AVX2, FMA, F16C.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

template <class T>
struct Vec;
template <class T>
struct Mask;

// Lanes [0, n) set: a window into a run of ones followed by zeros.
inline __m256i first_lanes32(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline __m256i first_lanes64(int64_t n) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}

template <>
struct Vec<float> {
  static constexpr int64_t kLanes = 8;
  __m256 r;
  Vec() = default;
  explicit Vec(float x) : r(_mm256_set1_ps(x)) {}
  static Vec wrap(__m256 x) {
    Vec v;
    v.r = x;
    return v;
  }
  static Vec load(const float* p) { return wrap(_mm256_loadu_ps(p)); }
  static Vec load_partial(const float* p, int64_t n) { return wrap(_mm256_maskload_ps(p, first_lanes32(n))); }
  void store(float* p) const { _mm256_storeu_ps(p, r); }
  void store_partial(float* p, int64_t n) const { _mm256_maskstore_ps(p, first_lanes32(n), r); }
};

template <>
struct Vec<double> {
  static constexpr int64_t kLanes = 4;
  __m256d r;
  Vec() = default;
  explicit Vec(double x) : r(_mm256_set1_pd(x)) {}
  static Vec wrap(__m256d x) {
    Vec v;
    v.r = x;
    return v;
  }
  static Vec load(const double* p) { return wrap(_mm256_loadu_pd(p)); }
  static Vec load_partial(const double* p, int64_t n) {
    return wrap(_mm256_maskload_pd(p, first_lanes64(n)));
  }
  void store(double* p) const { _mm256_storeu_pd(p, r); }
  void store_partial(double* p, int64_t n) const { _mm256_maskstore_pd(p, first_lanes64(n), r); }
};

template <>
struct Vec<int32_t> {
  static constexpr int64_t kLanes = 8;
  __m256i r;
  Vec() = default;
  explicit Vec(int32_t x) : r(_mm256_set1_epi32(x)) {}
  static Vec wrap(__m256i x) {
    Vec v;
    v.r = x;
    return v;
  }
  static Vec load(const int32_t* p) { return wrap(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static Vec load_partial(const int32_t* p, int64_t n) {
    return wrap(_mm256_maskload_epi32(p, first_lanes32(n)));
  }
  void store(int32_t* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), r); }
  void store_partial(int32_t* p, int64_t n) const { _mm256_maskstore_epi32(p, first_lanes32(n), r); }
};

template <>
struct Mask<float> {
  __m256 r;
};
template <>
struct Mask<double> {
  __m256d r;
};
template <>
struct Mask<int32_t> {
  __m256i r;
};

using F32 = Vec<float>;
using F64 = Vec<double>;
using I32 = Vec<int32_t>;

inline F32 operator+(F32 a, F32 b) { return F32::wrap(_mm256_add_ps(a.r, b.r)); }
inline F32 operator-(F32 a, F32 b) { return F32::wrap(_mm256_sub_ps(a.r, b.r)); }
inline F32 operator*(F32 a, F32 b) { return F32::wrap(_mm256_mul_ps(a.r, b.r)); }
inline F32 operator/(F32 a, F32 b) { return F32::wrap(_mm256_div_ps(a.r, b.r)); }
inline F32 operator-(F32 a) { return F32::wrap(_mm256_xor_ps(a.r, _mm256_set1_ps(-0.0f))); }
inline F32 fma(F32 a, F32 b, F32 c) { return F32::wrap(_mm256_fmadd_ps(a.r, b.r, c.r)); }
inline F32 min(F32 a, F32 b) { return F32::wrap(_mm256_min_ps(a.r, b.r)); }
inline F32 max(F32 a, F32 b) { return F32::wrap(_mm256_max_ps(a.r, b.r)); }
inline F32 abs(F32 a) { return F32::wrap(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.r)); }
inline F32 sqrt(F32 a) { return F32::wrap(_mm256_sqrt_ps(a.r)); }
inline F32 floor(F32 a) { return F32::wrap(_mm256_floor_ps(a.r)); }
inline F32 ceil(F32 a) { return F32::wrap(_mm256_ceil_ps(a.r)); }
inline F32 trunc(F32 a) { return F32::wrap(_mm256_round_ps(a.r, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)); }
inline F32 round(F32 a) {
  return F32::wrap(_mm256_round_ps(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline Mask<float> operator<(F32 a, F32 b) { return {_mm256_cmp_ps(a.r, b.r, _CMP_LT_OQ)}; }
inline Mask<float> operator<=(F32 a, F32 b) { return {_mm256_cmp_ps(a.r, b.r, _CMP_LE_OQ)}; }
inline Mask<float> operator>(F32 a, F32 b) { return {_mm256_cmp_ps(a.r, b.r, _CMP_GT_OQ)}; }
inline Mask<float> operator>=(F32 a, F32 b) { return {_mm256_cmp_ps(a.r, b.r, _CMP_GE_OQ)}; }
inline Mask<float> operator==(F32 a, F32 b) { return {_mm256_cmp_ps(a.r, b.r, _CMP_EQ_OQ)}; }
inline Mask<float> operator!=(F32 a, F32 b) { return {_mm256_cmp_ps(a.r, b.r, _CMP_NEQ_UQ)}; }
inline Mask<float> operator&(Mask<float> a, Mask<float> b) { return {_mm256_and_ps(a.r, b.r)}; }
inline Mask<float> operator|(Mask<float> a, Mask<float> b) { return {_mm256_or_ps(a.r, b.r)}; }
inline Mask<float> operator!(Mask<float> a) {
  return {_mm256_xor_ps(a.r, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))};
}
inline F32 select(Mask<float> m, F32 a, F32 b) { return F32::wrap(_mm256_blendv_ps(b.r, a.r, m.r)); }
inline bool any(Mask<float> m) { return _mm256_movemask_ps(m.r) != 0; }

inline F64 operator+(F64 a, F64 b) { return F64::wrap(_mm256_add_pd(a.r, b.r)); }
inline F64 operator-(F64 a, F64 b) { return F64::wrap(_mm256_sub_pd(a.r, b.r)); }
inline F64 operator*(F64 a, F64 b) { return F64::wrap(_mm256_mul_pd(a.r, b.r)); }
inline F64 operator/(F64 a, F64 b) { return F64::wrap(_mm256_div_pd(a.r, b.r)); }
inline F64 operator-(F64 a) { return F64::wrap(_mm256_xor_pd(a.r, _mm256_set1_pd(-0.0))); }
inline F64 fma(F64 a, F64 b, F64 c) { return F64::wrap(_mm256_fmadd_pd(a.r, b.r, c.r)); }
inline F64 min(F64 a, F64 b) { return F64::wrap(_mm256_min_pd(a.r, b.r)); }
inline F64 max(F64 a, F64 b) { return F64::wrap(_mm256_max_pd(a.r, b.r)); }
inline F64 abs(F64 a) { return F64::wrap(_mm256_andnot_pd(_mm256_set1_pd(-0.0), a.r)); }
inline F64 sqrt(F64 a) { return F64::wrap(_mm256_sqrt_pd(a.r)); }
inline F64 floor(F64 a) { return F64::wrap(_mm256_floor_pd(a.r)); }
inline F64 ceil(F64 a) { return F64::wrap(_mm256_ceil_pd(a.r)); }
inline F64 trunc(F64 a) { return F64::wrap(_mm256_round_pd(a.r, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)); }
inline F64 round(F64 a) {
  return F64::wrap(_mm256_round_pd(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline Mask<double> operator<(F64 a, F64 b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_LT_OQ)}; }
inline Mask<double> operator<=(F64 a, F64 b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_LE_OQ)}; }
inline Mask<double> operator>(F64 a, F64 b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_GT_OQ)}; }
inline Mask<double> operator>=(F64 a, F64 b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_GE_OQ)}; }
inline Mask<double> operator==(F64 a, F64 b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_EQ_OQ)}; }
inline Mask<double> operator!=(F64 a, F64 b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_NEQ_UQ)}; }
inline Mask<double> operator&(Mask<double> a, Mask<double> b) { return {_mm256_and_pd(a.r, b.r)}; }
inline Mask<double> operator|(Mask<double> a, Mask<double> b) { return {_mm256_or_pd(a.r, b.r)}; }
inline Mask<double> operator!(Mask<double> a) {
  return {_mm256_xor_pd(a.r, _mm256_castsi256_pd(_mm256_set1_epi32(-1)))};
}
inline F64 select(Mask<double> m, F64 a, F64 b) { return F64::wrap(_mm256_blendv_pd(b.r, a.r, m.r)); }
inline bool any(Mask<double> m) { return _mm256_movemask_pd(m.r) != 0; }

inline I32 operator+(I32 a, I32 b) { return I32::wrap(_mm256_add_epi32(a.r, b.r)); }
inline I32 operator-(I32 a, I32 b) { return I32::wrap(_mm256_sub_epi32(a.r, b.r)); }
inline I32 operator*(I32 a, I32 b) { return I32::wrap(_mm256_mullo_epi32(a.r, b.r)); }
inline I32 operator-(I32 a) { return I32::wrap(_mm256_sub_epi32(_mm256_setzero_si256(), a.r)); }
inline I32 operator&(I32 a, I32 b) { return I32::wrap(_mm256_and_si256(a.r, b.r)); }
inline I32 operator|(I32 a, I32 b) { return I32::wrap(_mm256_or_si256(a.r, b.r)); }
inline I32 operator^(I32 a, I32 b) { return I32::wrap(_mm256_xor_si256(a.r, b.r)); }
template <int N>
inline I32 shift_left(I32 a) {
  return I32::wrap(_mm256_slli_epi32(a.r, N));
}
template <int N>
inline I32 shift_right(I32 a) {
  return I32::wrap(_mm256_srai_epi32(a.r, N));
}
inline I32 min(I32 a, I32 b) { return I32::wrap(_mm256_min_epi32(a.r, b.r)); }
inline I32 max(I32 a, I32 b) { return I32::wrap(_mm256_max_epi32(a.r, b.r)); }
inline Mask<int32_t> operator>(I32 a, I32 b) { return {_mm256_cmpgt_epi32(a.r, b.r)}; }
inline Mask<int32_t> operator<(I32 a, I32 b) { return b > a; }
inline Mask<int32_t> operator==(I32 a, I32 b) { return {_mm256_cmpeq_epi32(a.r, b.r)}; }
inline Mask<int32_t> operator!(Mask<int32_t> a) { return {_mm256_xor_si256(a.r, _mm256_set1_epi32(-1))}; }
inline Mask<int32_t> operator!=(I32 a, I32 b) { return !(a == b); }
inline Mask<int32_t> operator<=(I32 a, I32 b) { return !(a > b); }
inline Mask<int32_t> operator>=(I32 a, I32 b) { return !(b > a); }
inline Mask<int32_t> operator&(Mask<int32_t> a, Mask<int32_t> b) { return {_mm256_and_si256(a.r, b.r)}; }
inline Mask<int32_t> operator|(Mask<int32_t> a, Mask<int32_t> b) { return {_mm256_or_si256(a.r, b.r)}; }
inline I32 select(Mask<int32_t> m, I32 a, I32 b) { return I32::wrap(_mm256_blendv_epi8(b.r, a.r, m.r)); }
inline bool any(Mask<int32_t> m) { return _mm256_movemask_epi8(m.r) != 0; }

// The lanes of a Vec<float> in double.
struct Doubles {
  F64 low, high;
};

inline I32 to_int(F32 a) { return I32::wrap(_mm256_cvtps_epi32(a.r)); }
inline F32 to_float(I32 a) { return F32::wrap(_mm256_cvtepi32_ps(a.r)); }
inline Doubles to_doubles(F32 a) {
  return {F64::wrap(_mm256_cvtps_pd(_mm256_castps256_ps128(a.r))),
          F64::wrap(_mm256_cvtps_pd(_mm256_extractf128_ps(a.r, 1)))};
}
inline F32 to_float(Doubles a) {
  return F32::wrap(_mm256_set_m128(_mm256_cvtpd_ps(a.high.r), _mm256_cvtpd_ps(a.low.r)));
}
inline I32 bits(F32 a) { return I32::wrap(_mm256_castps_si256(a.r)); }
inline F32 from_bits(I32 a) { return F32::wrap(_mm256_castsi256_ps(a.r)); }

// Eight 16-bit numbers, the missing ones zero.
inline __m128i load_halves(const uint16_t* p, int64_t n) {
  if (n >= 8) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  alignas(16) uint16_t part[8] = {};
  for (int64_t i = 0; i < n; ++i) part[i] = p[i];
  return _mm_load_si128(reinterpret_cast<const __m128i*>(part));
}
inline void store_halves(uint16_t* p, __m128i v, int64_t n) {
  if (n >= 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v);
    return;
  }
  alignas(16) uint16_t part[8];
  _mm_store_si128(reinterpret_cast<__m128i*>(part), v);
  for (int64_t i = 0; i < n; ++i) p[i] = part[i];
}
inline F32 load_bf16(const uint16_t* p, int64_t n = 8) {
  return from_bits(I32::wrap(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_halves(p, n)), 16)));
}
inline F32 load_f16(const uint16_t* p, int64_t n = 8) {
  return F32::wrap(_mm256_cvtph_ps(load_halves(p, n)));
}
inline void store_bf16(uint16_t* p, F32 v, int64_t n = 8) {
  const I32 word = bits(v);
  const I32 odd = shift_right<16>(word) & I32(1);
  const I32 rounded = word + I32(0x7fff) + odd;
  const I32 quiet = word | I32(0x400000);  // a NaN must not round to infinity
  const __m256i chosen = _mm256_blendv_epi8(rounded.r, quiet.r, _mm256_castps_si256((v != v).r));
  const __m256i high = _mm256_srli_epi32(chosen, 16);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(high, high), 0x08);
  store_halves(p, _mm256_castsi256_si128(packed), n);
}
inline void store_f16(uint16_t* p, F32 v, int64_t n = 8) {
  store_halves(p, _mm256_cvtps_ph(v.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), n);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

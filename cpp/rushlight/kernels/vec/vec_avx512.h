// The interface of vec.h on 512-bit registers: AVX-512 F, BW, DQ, VL.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

template <class T>
struct Vec;
template <class T>
struct Mask;

// Lanes [0, n) set.
inline __mmask16 first_lanes16(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
inline __mmask8 first_lanes8(int64_t n) { return static_cast<__mmask8>((1u << n) - 1u); }

template <>
struct Vec<float> {
  static constexpr int64_t kLanes = 16;
  __m512 r;
  Vec() = default;
  explicit Vec(float x) : r(_mm512_set1_ps(x)) {}
  static Vec wrap(__m512 x) {
    Vec v;
    v.r = x;
    return v;
  }
  static Vec load(const float* p) { return wrap(_mm512_loadu_ps(p)); }
  static Vec load_partial(const float* p, int64_t n) {
    return wrap(_mm512_maskz_loadu_ps(first_lanes16(n), p));
  }
  void store(float* p) const { _mm512_storeu_ps(p, r); }
  void store_partial(float* p, int64_t n) const { _mm512_mask_storeu_ps(p, first_lanes16(n), r); }
};

template <>
struct Vec<double> {
  static constexpr int64_t kLanes = 8;
  __m512d r;
  Vec() = default;
  explicit Vec(double x) : r(_mm512_set1_pd(x)) {}
  static Vec wrap(__m512d x) {
    Vec v;
    v.r = x;
    return v;
  }
  static Vec load(const double* p) { return wrap(_mm512_loadu_pd(p)); }
  static Vec load_partial(const double* p, int64_t n) {
    return wrap(_mm512_maskz_loadu_pd(first_lanes8(n), p));
  }
  void store(double* p) const { _mm512_storeu_pd(p, r); }
  void store_partial(double* p, int64_t n) const { _mm512_mask_storeu_pd(p, first_lanes8(n), r); }
};

template <>
struct Vec<int32_t> {
  static constexpr int64_t kLanes = 16;
  __m512i r;
  Vec() = default;
  explicit Vec(int32_t x) : r(_mm512_set1_epi32(x)) {}
  static Vec wrap(__m512i x) {
    Vec v;
    v.r = x;
    return v;
  }
  static Vec load(const int32_t* p) { return wrap(_mm512_loadu_si512(p)); }
  static Vec load_partial(const int32_t* p, int64_t n) {
    return wrap(_mm512_maskz_loadu_epi32(first_lanes16(n), p));
  }
  void store(int32_t* p) const { _mm512_storeu_si512(p, r); }
  void store_partial(int32_t* p, int64_t n) const { _mm512_mask_storeu_epi32(p, first_lanes16(n), r); }
};

template <>
struct Mask<float> {
  __mmask16 m;
};
template <>
struct Mask<double> {
  __mmask8 m;
};
template <>
struct Mask<int32_t> {
  __mmask16 m;
};

using F32 = Vec<float>;
using F64 = Vec<double>;
using I32 = Vec<int32_t>;

inline F32 operator+(F32 a, F32 b) { return F32::wrap(_mm512_add_ps(a.r, b.r)); }
inline F32 operator-(F32 a, F32 b) { return F32::wrap(_mm512_sub_ps(a.r, b.r)); }
inline F32 operator*(F32 a, F32 b) { return F32::wrap(_mm512_mul_ps(a.r, b.r)); }
inline F32 operator/(F32 a, F32 b) { return F32::wrap(_mm512_div_ps(a.r, b.r)); }
inline F32 operator-(F32 a) { return F32::wrap(_mm512_xor_ps(a.r, _mm512_set1_ps(-0.0f))); }
inline F32 fma(F32 a, F32 b, F32 c) { return F32::wrap(_mm512_fmadd_ps(a.r, b.r, c.r)); }
inline F32 min(F32 a, F32 b) { return F32::wrap(_mm512_min_ps(a.r, b.r)); }
inline F32 max(F32 a, F32 b) { return F32::wrap(_mm512_max_ps(a.r, b.r)); }
inline F32 abs(F32 a) { return F32::wrap(_mm512_abs_ps(a.r)); }
inline F32 sqrt(F32 a) { return F32::wrap(_mm512_sqrt_ps(a.r)); }
inline F32 floor(F32 a) {
  return F32::wrap(_mm512_roundscale_ps(a.r, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
}
inline F32 ceil(F32 a) {
  return F32::wrap(_mm512_roundscale_ps(a.r, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC));
}
inline F32 trunc(F32 a) {
  return F32::wrap(_mm512_roundscale_ps(a.r, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC));
}
inline F32 round(F32 a) {
  return F32::wrap(_mm512_roundscale_ps(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline Mask<float> operator<(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_LT_OQ)}; }
inline Mask<float> operator<=(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_LE_OQ)}; }
inline Mask<float> operator>(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_GT_OQ)}; }
inline Mask<float> operator>=(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_GE_OQ)}; }
inline Mask<float> operator==(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_EQ_OQ)}; }
inline Mask<float> operator!=(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_NEQ_UQ)}; }
inline Mask<float> operator&(Mask<float> a, Mask<float> b) { return {static_cast<__mmask16>(a.m & b.m)}; }
inline Mask<float> operator|(Mask<float> a, Mask<float> b) { return {static_cast<__mmask16>(a.m | b.m)}; }
inline Mask<float> operator!(Mask<float> a) { return {static_cast<__mmask16>(~a.m)}; }
inline F32 select(Mask<float> m, F32 a, F32 b) { return F32::wrap(_mm512_mask_blend_ps(m.m, b.r, a.r)); }
inline bool any(Mask<float> m) { return m.m != 0; }

inline F64 operator+(F64 a, F64 b) { return F64::wrap(_mm512_add_pd(a.r, b.r)); }
inline F64 operator-(F64 a, F64 b) { return F64::wrap(_mm512_sub_pd(a.r, b.r)); }
inline F64 operator*(F64 a, F64 b) { return F64::wrap(_mm512_mul_pd(a.r, b.r)); }
inline F64 operator/(F64 a, F64 b) { return F64::wrap(_mm512_div_pd(a.r, b.r)); }
inline F64 operator-(F64 a) { return F64::wrap(_mm512_xor_pd(a.r, _mm512_set1_pd(-0.0))); }
inline F64 fma(F64 a, F64 b, F64 c) { return F64::wrap(_mm512_fmadd_pd(a.r, b.r, c.r)); }
inline F64 min(F64 a, F64 b) { return F64::wrap(_mm512_min_pd(a.r, b.r)); }
inline F64 max(F64 a, F64 b) { return F64::wrap(_mm512_max_pd(a.r, b.r)); }
inline F64 abs(F64 a) { return F64::wrap(_mm512_abs_pd(a.r)); }
inline F64 sqrt(F64 a) { return F64::wrap(_mm512_sqrt_pd(a.r)); }
inline F64 floor(F64 a) {
  return F64::wrap(_mm512_roundscale_pd(a.r, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
}
inline F64 ceil(F64 a) {
  return F64::wrap(_mm512_roundscale_pd(a.r, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC));
}
inline F64 trunc(F64 a) {
  return F64::wrap(_mm512_roundscale_pd(a.r, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC));
}
inline F64 round(F64 a) {
  return F64::wrap(_mm512_roundscale_pd(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline Mask<double> operator<(F64 a, F64 b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_LT_OQ)}; }
inline Mask<double> operator<=(F64 a, F64 b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_LE_OQ)}; }
inline Mask<double> operator>(F64 a, F64 b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_GT_OQ)}; }
inline Mask<double> operator>=(F64 a, F64 b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_GE_OQ)}; }
inline Mask<double> operator==(F64 a, F64 b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_EQ_OQ)}; }
inline Mask<double> operator!=(F64 a, F64 b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_NEQ_UQ)}; }
inline Mask<double> operator&(Mask<double> a, Mask<double> b) { return {static_cast<__mmask8>(a.m & b.m)}; }
inline Mask<double> operator|(Mask<double> a, Mask<double> b) { return {static_cast<__mmask8>(a.m | b.m)}; }
inline Mask<double> operator!(Mask<double> a) { return {static_cast<__mmask8>(~a.m)}; }
inline F64 select(Mask<double> m, F64 a, F64 b) { return F64::wrap(_mm512_mask_blend_pd(m.m, b.r, a.r)); }
inline bool any(Mask<double> m) { return m.m != 0; }

inline I32 operator+(I32 a, I32 b) { return I32::wrap(_mm512_add_epi32(a.r, b.r)); }
inline I32 operator-(I32 a, I32 b) { return I32::wrap(_mm512_sub_epi32(a.r, b.r)); }
inline I32 operator*(I32 a, I32 b) { return I32::wrap(_mm512_mullo_epi32(a.r, b.r)); }
inline I32 operator-(I32 a) { return I32::wrap(_mm512_sub_epi32(_mm512_setzero_si512(), a.r)); }
inline I32 operator&(I32 a, I32 b) { return I32::wrap(_mm512_and_si512(a.r, b.r)); }
inline I32 operator|(I32 a, I32 b) { return I32::wrap(_mm512_or_si512(a.r, b.r)); }
inline I32 operator^(I32 a, I32 b) { return I32::wrap(_mm512_xor_si512(a.r, b.r)); }
template <int N>
inline I32 shift_left(I32 a) {
  return I32::wrap(_mm512_slli_epi32(a.r, N));
}
template <int N>
inline I32 shift_right(I32 a) {
  return I32::wrap(_mm512_srai_epi32(a.r, N));
}
inline I32 min(I32 a, I32 b) { return I32::wrap(_mm512_min_epi32(a.r, b.r)); }
inline I32 max(I32 a, I32 b) { return I32::wrap(_mm512_max_epi32(a.r, b.r)); }
inline Mask<int32_t> operator<(I32 a, I32 b) { return {_mm512_cmplt_epi32_mask(a.r, b.r)}; }
inline Mask<int32_t> operator<=(I32 a, I32 b) { return {_mm512_cmple_epi32_mask(a.r, b.r)}; }
inline Mask<int32_t> operator>(I32 a, I32 b) { return {_mm512_cmpgt_epi32_mask(a.r, b.r)}; }
inline Mask<int32_t> operator>=(I32 a, I32 b) { return {_mm512_cmpge_epi32_mask(a.r, b.r)}; }
inline Mask<int32_t> operator==(I32 a, I32 b) { return {_mm512_cmpeq_epi32_mask(a.r, b.r)}; }
inline Mask<int32_t> operator!=(I32 a, I32 b) { return {_mm512_cmpneq_epi32_mask(a.r, b.r)}; }
inline Mask<int32_t> operator&(Mask<int32_t> a, Mask<int32_t> b) {
  return {static_cast<__mmask16>(a.m & b.m)};
}
inline Mask<int32_t> operator|(Mask<int32_t> a, Mask<int32_t> b) {
  return {static_cast<__mmask16>(a.m | b.m)};
}
inline Mask<int32_t> operator!(Mask<int32_t> a) { return {static_cast<__mmask16>(~a.m)}; }
inline I32 select(Mask<int32_t> m, I32 a, I32 b) { return I32::wrap(_mm512_mask_blend_epi32(m.m, b.r, a.r)); }
inline bool any(Mask<int32_t> m) { return m.m != 0; }

// The lanes of a Vec<float> in double.
struct Doubles {
  F64 low, high;
};

inline I32 to_int(F32 a) { return I32::wrap(_mm512_cvtps_epi32(a.r)); }
inline F32 to_float(I32 a) { return F32::wrap(_mm512_cvtepi32_ps(a.r)); }
inline Doubles to_doubles(F32 a) {
  return {F64::wrap(_mm512_cvtps_pd(_mm512_castps512_ps256(a.r))),
          F64::wrap(_mm512_cvtps_pd(_mm512_extractf32x8_ps(a.r, 1)))};
}
inline F32 to_float(Doubles a) {
  return F32::wrap(
      _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a.low.r)), _mm512_cvtpd_ps(a.high.r), 1));
}
inline I32 bits(F32 a) { return I32::wrap(_mm512_castps_si512(a.r)); }
inline F32 from_bits(I32 a) { return F32::wrap(_mm512_castsi512_ps(a.r)); }

// Sixteen 16-bit numbers, the missing ones zero.
inline __m256i load_halves(const uint16_t* p, int64_t n) {
  return n >= 16 ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                 : _mm256_maskz_loadu_epi16(first_lanes16(n), p);
}
inline void store_halves(uint16_t* p, __m256i v, int64_t n) {
  if (n >= 16)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
  else
    _mm256_mask_storeu_epi16(p, first_lanes16(n), v);
}
// One shuffle instead of a conversion and a shift: these two often are most of a loop's work.
inline F32 load_bf16(const uint16_t* p, int64_t n = 16) {
  const __m512i halves = _mm512_set_epi16(15, 15, 14, 14, 13, 13, 12, 12, 11, 11, 10, 10, 9, 9, 8, 8, 7, 7, 6,
                                          6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
  return from_bits(I32::wrap(
      _mm512_maskz_permutexvar_epi16(0xaaaaaaaau, halves, _mm512_castsi256_si512(load_halves(p, n)))));
}
inline F32 load_f16(const uint16_t* p, int64_t n = 16) {
  return F32::wrap(_mm512_cvtph_ps(load_halves(p, n)));
}
inline void store_bf16(uint16_t* p, F32 v, int64_t n = 16) {
  const __m512i word = bits(v).r, one = _mm512_set1_epi32(1);
  __m512i rounded = _mm512_add_epi32(word, _mm512_set1_epi32(0x7fff));
  rounded =
      _mm512_mask_add_epi32(rounded, _mm512_test_epi32_mask(word, _mm512_set1_epi32(0x10000)), rounded, one);
  // a NaN must not round to infinity
  rounded = _mm512_mask_or_epi32(rounded, (v != v).m, word, _mm512_set1_epi32(0x400000));
  const __m512i upper = _mm512_set_epi16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 31, 29, 27, 25, 23,
                                         21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  store_halves(p, _mm512_castsi512_si256(_mm512_permutexvar_epi16(upper, rounded)), n);
}
inline void store_f16(uint16_t* p, F32 v, int64_t n = 16) {
  store_halves(p, _mm512_cvtps_ph(v.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), n);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

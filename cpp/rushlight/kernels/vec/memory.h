// Vectors of what T stands for in memory, for any level (see Note [ISA translation units]): T itself, or
// bfloat16 for uint16_t, which is widened to float32 and rounded to nearest even on its way back.
#pragma once

#include <type_traits>

#include "rushlight/kernels/vec/vec.h"
#include "rushlight/kernels/wide.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

// Up to n elements; missing lanes are zero.
template <class T>
inline Vec<Wide<T>> load_wide(const T* p, int64_t n) {
  if constexpr (std::is_same_v<T, uint16_t>)
    return load_bf16(p, n < Vec<float>::kLanes ? n : Vec<float>::kLanes);
  else
    return load_n(p, n);
}
template <class T>
inline void store_narrow(T* p, Vec<Wide<T>> v, int64_t n) {
  if constexpr (std::is_same_v<T, uint16_t>)
    store_bf16(p, v, n < Vec<float>::kLanes ? n : Vec<float>::kLanes);
  else
    store_n(p, v, n);
}

// Stores past the caches, for results that leave them before they are read: the line is not read first. p is
// aligned to a vector; stream_end() before another thread reads.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
inline void store_stream(float* p, Vec<float> v) { _mm512_stream_ps(p, v.r); }
inline void store_stream(double* p, Vec<double> v) { _mm512_stream_pd(p, v.r); }
inline void stream_end() { _mm_sfence(); }
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
inline void store_stream(float* p, Vec<float> v) { _mm256_stream_ps(p, v.r); }
inline void store_stream(double* p, Vec<double> v) { _mm256_stream_pd(p, v.r); }
inline void stream_end() { _mm_sfence(); }
#else
template <class T>
inline void store_stream(T* p, Vec<T> v) {
  v.store(p);
}
inline void stream_end() {}
#endif

// Unsigned bytes as floats, up to n of them; missing lanes are zero.
inline Vec<float> load_u8(const uint8_t* p, int64_t n = Vec<float>::kLanes) {
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
  const __m128i bytes = n >= 16 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(p))
                                : _mm_maskz_loadu_epi8(first_lanes16(n), p);
  return to_float(I32::wrap(_mm512_cvtepu8_epi32(bytes)));
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
  __m128i bytes;
  if (n >= 8) {
    bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  } else {
    alignas(16) uint8_t copy[16] = {};
    for (int64_t i = 0; i < n; ++i) copy[i] = p[i];
    bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(copy));
  }
  return to_float(I32::wrap(_mm256_cvtepu8_epi32(bytes)));
#else
  float wide[Vec<float>::kLanes];
  for (int64_t i = 0; i < Vec<float>::kLanes; ++i) wide[i] = i < n ? static_cast<float>(p[i]) : 0.0f;
  return Vec<float>::load(wide);
#endif
}

// Which of up to n bytes are x; missing ones count as zero.
inline Mask<float> bytes_equal(const uint8_t* p, uint8_t x, int64_t n = Vec<float>::kLanes) {
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
  const __m128i bytes = n >= 16 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(p))
                                : _mm_maskz_loadu_epi8(first_lanes16(n), p);
  return {_mm_cmpeq_epi8_mask(bytes, _mm_set1_epi8(static_cast<char>(x)))};
#else
  return load_u8(p, n) == Vec<float>(static_cast<float>(x));
#endif
}

// Sums in double, one a lane of Vec<T>, in registers.
template <class T>
struct DoubleSums;
template <>
struct DoubleSums<double> {
  Vec<double> sum{0.0};
  void add(Vec<double> v) { sum = sum + v; }
  void store(double* p) const { sum.store(p); }
};
template <>
struct DoubleSums<float> {
  Vec<double> low{0.0}, high{0.0};
  void add(Vec<float> v) {
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
    low = low + Vec<double>::wrap(_mm512_cvtps_pd(_mm512_castps512_ps256(v.r)));
    high = high + Vec<double>::wrap(_mm512_cvtps_pd(_mm512_extractf32x8_ps(v.r, 1)));
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
    low = low + Vec<double>::wrap(_mm256_cvtps_pd(_mm256_castps256_ps128(v.r)));
    high = high + Vec<double>::wrap(_mm256_cvtps_pd(_mm256_extractf128_ps(v.r, 1)));
#else
    constexpr int64_t kHalf = Vec<double>::kLanes;
    float lanes[2 * kHalf];
    double wide[2 * kHalf];
    v.store(lanes);
    for (int64_t i = 0; i < 2 * kHalf; ++i) wide[i] = static_cast<double>(lanes[i]);
    low = low + Vec<double>::load(wide);
    high = high + Vec<double>::load(wide + kHalf);
#endif
  }
  void store(double* p) const {
    low.store(p);
    high.store(p + Vec<double>::kLanes);
  }
};
static_assert(2 * Vec<double>::kLanes == Vec<float>::kLanes);

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

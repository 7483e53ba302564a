// Numbers as bfloat16 pairs, the way tiles of B hold them: see Note [Split products]. For AMX translation
// units only (see Note [ISA translation units]).
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

// Rounded to bfloat16, those of `low` first.
inline __m512i narrow(__m512 low, __m512 high) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }

// The order that makes pairs: a0 b0 a1 b1 ... from a0 a1 ... b0 b1 ...
inline __m512i interleaving() {
  alignas(64) uint16_t order[32];
  for (int i = 0; i < 32; ++i) order[i] = static_cast<uint16_t>(i / 2 + i % 2 * 16);
  return _mm512_load_si512(order);
}

inline __m512i upper_half() { return _mm512_set1_epi32(static_cast<int>(0xffff0000)); }

// Rounded to bfloat16, halves away from zero. Some NaN become zero: what is left of them stays NaN.
inline __m512 round_off(__m512 x) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000)), upper_half()));
}
// Upper halves of a and b, side by side.
inline __m512i join(__m512 a, __m512 b) {
  return _mm512_ternarylogic_epi32(_mm512_srli_epi32(_mm512_castps_si512(a), 16), _mm512_castps_si512(b),
                                   upper_half(), 0xf8);  // first | (second & third)
}

// a and b as sums of kParts bfloat16 numbers each: a_0 b_0 a_1 b_1 ... of part q at dst + q * apart.
// None: they are bfloat16 numbers.
template <int kParts>
inline void split_lanes(__m512 a, __m512 b, uint16_t* dst, int64_t apart) {
  if constexpr (kParts == 0) return _mm512_store_si512(dst, join(a, b));
#pragma GCC unroll 3
  for (int part = 0; part + 1 < kParts; ++part) {
    const __m512 rounded_a = round_off(a), rounded_b = round_off(b);
    _mm512_store_si512(dst + part * apart, join(rounded_a, rounded_b));
    a = _mm512_sub_ps(a, rounded_a), b = _mm512_sub_ps(b, rounded_b);
  }
  // Of three parts the last has no more than eight bits; of fewer, it is rounded so that NaN stay.
  const auto rounded = [](__m512 x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x)), 16));
  };
  if constexpr (kParts == 1 || kParts == 2) a = rounded(a), b = rounded(b);
  _mm512_store_si512(dst + (kParts - 1) * apart, join(a, b));
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

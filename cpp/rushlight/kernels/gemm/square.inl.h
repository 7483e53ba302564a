// Transposition of a square of registers, for any level (see Note [ISA translation units]).
#pragma once

#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

// Exchanges rows and columns of a square of registers; kSquare<T> tells where it is implemented.
template <class T>
inline constexpr bool kSquare = false;
template <class T>
inline void transpose_square(Vec<T> (&)[Vec<T>::kLanes]) {}

#if defined(__AVX512F__)
template <>
inline constexpr bool kSquare<float> = true;
template <>
inline void transpose_square<float>(Vec<float> (&rows)[16]) {
  __m512 t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {  // pairs within 128-bit lanes
    t[2 * i] = _mm512_unpacklo_ps(rows[2 * i].r, rows[2 * i + 1].r);
    t[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i].r, rows[2 * i + 1].r);
  }
  __m512 u[16];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // fours: u[4 * i + j] holds column j, j + 4, j + 8, j + 12 of rows 4 * i ...
    u[4 * i] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    u[4 * i + 1] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    u[4 * i + 2] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    u[4 * i + 3] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {  // whole 128-bit lanes
    const __m512 even01 = _mm512_shuffle_f32x4(u[j], u[4 + j], 0x88),
                 odd01 = _mm512_shuffle_f32x4(u[j], u[4 + j], 0xdd);
    const __m512 even23 = _mm512_shuffle_f32x4(u[8 + j], u[12 + j], 0x88);
    const __m512 odd23 = _mm512_shuffle_f32x4(u[8 + j], u[12 + j], 0xdd);
    rows[j].r = _mm512_shuffle_f32x4(even01, even23, 0x88);
    rows[8 + j].r = _mm512_shuffle_f32x4(even01, even23, 0xdd);
    rows[4 + j].r = _mm512_shuffle_f32x4(odd01, odd23, 0x88);
    rows[12 + j].r = _mm512_shuffle_f32x4(odd01, odd23, 0xdd);
  }
}
#elif defined(__AVX2__)
template <>
inline constexpr bool kSquare<float> = true;
template <>
inline void transpose_square<float>(Vec<float> (&rows)[8]) {
  __m256 t[8], u[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_ps(rows[2 * i].r, rows[2 * i + 1].r);
    t[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i].r, rows[2 * i + 1].r);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    u[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    u[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    u[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    u[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    rows[j].r = _mm256_permute2f128_ps(u[j], u[4 + j], 0x20);
    rows[4 + j].r = _mm256_permute2f128_ps(u[j], u[4 + j], 0x31);
  }
}
#endif

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

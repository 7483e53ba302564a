// 16-bit floats for vec_generic.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "rushlight/kernels/vec/vec_generic.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

// 16-bit floats, one lane at a time: the same arithmetic as base/dtype.h, which must not be included here.
inline float widen_bf16(uint16_t x) {
  const uint32_t word = static_cast<uint32_t>(x) << 16;
  float value;
  std::memcpy(&value, &word, 4);
  return value;
}
inline uint16_t narrow_bf16(float value) {
  uint32_t word;
  std::memcpy(&word, &value, 4);
  if ((word & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(0x7fc0u | (word >> 16 & 0x8000u));
  return static_cast<uint16_t>((word + 0x7fffu + (word >> 16 & 1u)) >> 16);
}
inline float widen_f16(uint16_t x) {
  const uint32_t magnitude = x & 0x7fffu;
  // Moving the fields into float position leaves the exponent 112 too small: a multiplication by 2^112
  // corrects it, for subnormals too.
  uint32_t word = magnitude << 13;
  float value;
  std::memcpy(&value, &word, 4);
  value *= 5.192296858534828e33f;
  std::memcpy(&word, &value, 4);
  if (magnitude >= 0x7c00u) word = 0x7f800000u | magnitude << 13;
  word |= static_cast<uint32_t>(x & 0x8000u) << 16;
  std::memcpy(&value, &word, 4);
  return value;
}
inline uint16_t narrow_f16(float value) {
  uint32_t word;
  std::memcpy(&word, &value, 4);
  const uint32_t sign = word >> 16 & 0x8000u;
  const uint32_t magnitude = word & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude >= 0x38800000u)
    return static_cast<uint16_t>(sign | (magnitude + 0xc8000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
  float shifted;
  std::memcpy(&shifted, &magnitude, 4);
  shifted += 0.5f;  // the addition rounds a subnormal result
  std::memcpy(&word, &shifted, 4);
  return static_cast<uint16_t>(sign | (word - 0x3f000000u));
}
template <class F>
inline Vec<float> load_halves(const uint16_t* p, int64_t n, F widen) {
  Vec<float> v(0.0f);
  for (int64_t i = 0; i < n; ++i) v.lanes[i] = widen(p[i]);
  return v;
}
inline Vec<float> load_bf16(const uint16_t* p, int64_t n = 4) { return load_halves(p, n, widen_bf16); }
inline Vec<float> load_f16(const uint16_t* p, int64_t n = 4) { return load_halves(p, n, widen_f16); }
inline void store_bf16(uint16_t* p, Vec<float> v, int64_t n = 4) {
  for (int64_t i = 0; i < n; ++i) p[i] = narrow_bf16(v.lanes[i]);
}
inline void store_f16(uint16_t* p, Vec<float> v, int64_t n = 4) {
  for (int64_t i = 0; i < n; ++i) p[i] = narrow_f16(v.lanes[i]);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

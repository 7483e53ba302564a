#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "isa/vec_checks.h"
#include "rushlight/kernels/vec/memory.h"

#define REQUIRE(condition) \
  if (!(condition)) return __LINE__
#define REQUIRE_LANES(vector, expected) \
  (vector).store(out);                  \
  for (int i = 0; i < kLanes; ++i) REQUIRE(out[i] == (expected))

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

template <class T>
int check_common() {
  constexpr int kLanes = Vec<T>::kLanes;
  T a[kLanes], b[kLanes], out[kLanes + 1];
  for (int i = 0; i < kLanes; ++i) {
    a[i] = static_cast<T>(i * 1.5 - 1.25);
    b[i] = static_cast<T>(i % 3 - 1);
  }
  const Vec<T> va = Vec<T>::load(a), vb = Vec<T>::load(b);
  REQUIRE_LANES(va + vb, a[i] + b[i]);
  REQUIRE_LANES(va - vb, a[i] - b[i]);
  REQUIRE_LANES(va * vb, a[i] * b[i]);
  REQUIRE_LANES(-va, -a[i]);
  REQUIRE_LANES(min(va, vb), a[i] < b[i] ? a[i] : b[i]);
  REQUIRE_LANES(max(va, vb), a[i] > b[i] ? a[i] : b[i]);
  REQUIRE_LANES(select(va < vb, va, vb), a[i] < b[i] ? a[i] : b[i]);
  REQUIRE_LANES(select((va >= vb) & (va != vb), va, vb), a[i] > b[i] ? a[i] : b[i]);
  REQUIRE_LANES(select((!(va <= vb)) | (va == vb), va, vb), a[i] >= b[i] ? a[i] : b[i]);
  REQUIRE(any(va > vb));
  REQUIRE(!any(va != va));
  for (int n = 0; n <= kLanes; ++n) {
    REQUIRE_LANES(load_n(a, n), i < n ? a[i] : T(0));
    for (T& x : out) x = T(7);
    store_n(out, va, n);
    for (int i = 0; i <= kLanes; ++i) REQUIRE(out[i] == (i < n ? a[i] : T(7)));
  }
  return 0;
}

template <class T>
int check_floating() {
  constexpr int kLanes = Vec<T>::kLanes;
  if (const int line = check_common<T>()) return line;
  T a[kLanes], b[kLanes], out[kLanes];
  T sum = 0;
  for (int i = 0; i < kLanes; ++i) {
    a[i] = static_cast<T>(i * 0.75 - 2.5);
    b[i] = static_cast<T>(i + 1);
    sum += a[i];
  }
  const Vec<T> va = Vec<T>::load(a), vb = Vec<T>::load(b);
  REQUIRE_LANES(va / vb, a[i] / b[i]);
  REQUIRE_LANES(fma(va, vb, va), a[i] * b[i] + a[i]);
  REQUIRE_LANES(abs(va), std::fabs(a[i]));
  REQUIRE_LANES(floor(va), std::floor(a[i]));
  REQUIRE_LANES(ceil(va), std::ceil(a[i]));
  REQUIRE_LANES(trunc(va), std::trunc(a[i]));
  REQUIRE_LANES(round(va), std::nearbyint(a[i]));
  REQUIRE_LANES(sqrt(vb), std::sqrt(b[i]));
  REQUIRE(reduce_add(va) == sum);
  REQUIRE(reduce_max(va) == a[kLanes - 1]);
  REQUIRE(reduce_min(va) == a[0]);
  a[0] = static_cast<T>(NAN);
  const Vec<T> with_nan = Vec<T>::load(a);
  REQUIRE(any(with_nan != with_nan));
  REQUIRE_LANES(min(with_nan, vb), i == 0 || !(a[i] < b[i]) ? b[i] : a[i]);
  return 0;
}

// Sums in double are rounded to float once.
int check_doubles() {
  constexpr int kLanes = Vec<float>::kLanes;
  float a[kLanes], b[kLanes], out[kLanes];
  for (int i = 0; i < kLanes; ++i) a[i] = 1.0f + static_cast<float>(i), b[i] = std::ldexp(1.1f, -20 - i % 5);
  const Doubles da = to_doubles(Vec<float>::load(a)), db = to_doubles(Vec<float>::load(b));
  REQUIRE_LANES(to_float(da), a[i]);
  REQUIRE_LANES(to_float((da + db) - da), static_cast<float>((double{a[i]} + b[i]) - a[i]));
  REQUIRE_LANES(to_float(0.3 * db), static_cast<float>(0.3 * b[i]));
  return 0;
}

int check_vec_float() {
  const int line = check_doubles();
  return line != 0 ? line : check_floating<float>();
}
int check_vec_double() { return check_floating<double>(); }

int check_vec_int() {
  constexpr int kLanes = Vec<int32_t>::kLanes;
  if (const int line = check_common<int32_t>()) return line;
  static_assert(Vec<int32_t>::kLanes == Vec<float>::kLanes, "conversions are lane by lane");
  int32_t a[kLanes], out[kLanes];
  for (int i = 0; i < kLanes; ++i) a[i] = i * 77 - 200;
  const Vec<int32_t> va = Vec<int32_t>::load(a);
  REQUIRE_LANES(shift_left<3>(va), a[i] * 8);
  REQUIRE_LANES(shift_right<2>(va), a[i] >> 2);
  REQUIRE_LANES(va & Vec<int32_t>(0xf0), (a[i] & 0xf0));
  REQUIRE_LANES(va | Vec<int32_t>(0xf0), (a[i] | 0xf0));
  REQUIRE_LANES(va ^ Vec<int32_t>(0xf0), (a[i] ^ 0xf0));
  REQUIRE_LANES(to_int(to_float(va) * Vec<float>(0.5f)), std::nearbyint(a[i] * 0.5));
  REQUIRE_LANES(bits(from_bits(va)), a[i]);
  return 0;
}

// Bytes widened, whole vectors and parts.
int check_vec_bytes() {
  constexpr int kLanes = Vec<float>::kLanes;
  uint8_t in[256];
  for (int i = 0; i < 256; ++i) in[i] = static_cast<uint8_t>(i);
  for (int first = 0; first + kLanes <= 256; first += kLanes) {
    float wide[kLanes];
    load_u8(in + first).store(wide);
    for (int i = 0; i < kLanes; ++i) REQUIRE(wide[i] == static_cast<float>(first + i));
  }
  for (int n = 0; n <= kLanes; ++n) {
    float wide[kLanes];
    load_u8(in + 200, n).store(wide);
    for (int i = 0; i < kLanes; ++i) REQUIRE(wide[i] == (i < n ? static_cast<float>(200 + i) : 0.0f));
  }
  return 0;
}

// Every 16-bit float survives widening and narrowing; widening is exact; partial stores stay inside.
int check_vec_conversions() {
  constexpr int kLanes = Vec<float>::kLanes;
  for (uint32_t first = 0; first < 65536; first += kLanes) {
    uint16_t in[kLanes], out[kLanes];
    float wide[kLanes];
    for (int i = 0; i < kLanes; ++i) in[i] = static_cast<uint16_t>(first + i);
    load_bf16(in).store(wide);
    store_bf16(out, load_bf16(in));
    for (int i = 0; i < kLanes; ++i) {
      uint32_t word;
      std::memcpy(&word, &wide[i], 4);
      REQUIRE(word == static_cast<uint32_t>(in[i]) << 16);
      REQUIRE((in[i] & 0x7fff) > 0x7f80 ? (out[i] & 0x7fff) > 0x7f80 : out[i] == in[i]);
    }
    load_f16(in).store(wide);
    store_f16(out, load_f16(in));
    for (int i = 0; i < kLanes; ++i) {
      const int exponent = in[i] >> 10 & 31, mantissa = in[i] & 1023;
      REQUIRE((in[i] & 0x7fff) > 0x7c00 ? (out[i] & 0x7fff) > 0x7c00 : out[i] == in[i]);
      if (exponent == 31) continue;
      const double magnitude =
          exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      REQUIRE(wide[i] == (in[i] & 0x8000 ? -magnitude : magnitude));
    }
  }
  // Ties go to even: 1 + 2^-8 down, 1 + 3 * 2^-8 up (bfloat16), 1 + 2^-11 and 1 + 3 * 2^-11 (float16).
  uint16_t out[kLanes + 1];
  store_bf16(out, Vec<float>(1.00390625f));
  REQUIRE(out[0] == 0x3f80);
  store_bf16(out, Vec<float>(1.01171875f));
  REQUIRE(out[0] == 0x3f82);
  store_f16(out, Vec<float>(1.00048828125f));
  REQUIRE(out[0] == 0x3c00);
  store_f16(out, Vec<float>(1.00146484375f));
  REQUIRE(out[0] == 0x3c02);
  for (int n = 0; n <= kLanes; ++n) {
    for (uint16_t& x : out) x = 9;
    store_bf16(out, Vec<float>(1.0f), n);
    for (int i = 0; i <= kLanes; ++i) REQUIRE(out[i] == (i < n ? 0x3f80 : 9));
    store_f16(out, Vec<float>(2.0f), n);
    for (int i = 0; i <= kLanes; ++i) REQUIRE(out[i] == (i < n ? 0x4000 : 9));
    float wide[kLanes];
    load_bf16(out, n).store(wide);
    for (int i = n; i < kLanes; ++i) REQUIRE(wide[i] == 0.0f);
  }
  return 0;
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

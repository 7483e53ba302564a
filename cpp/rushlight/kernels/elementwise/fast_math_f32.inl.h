// The most used smooth functions in float32 arithmetic: twice the lanes of fast_math.inl.h, whose names they
// overload. What a last rounding would lose is carried along in a second float: results are within 0.9 ulp,
// most within 0.7. Denormal numbers, infinities and NaN are treated as IEEE 754 asks.
#pragma once

#include "rushlight/kernels/elementwise/fast_math.inl.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

constexpr float kInfF = std::numeric_limits<float>::infinity();
constexpr float kNanF = std::numeric_limits<float>::quiet_NaN();
constexpr float kRoundToIntegerF = 12582912.0f;  // 1.5 * 2^23
constexpr uint32_t kOneF = 0x3f800000u;
// ln(2) in two parts; the first has 15 bits, so that its product with an exponent is exact.
constexpr float kLn2High = 0.693145751953125f;
constexpr float kLn2Low = 1.428606765330187e-06f;

inline uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
inline float float_of(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
inline float fused(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
// n - q * d, all of it
inline float remainder_of(float n, float q, float d) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(-q, d, n);
#else
  return static_cast<float>(static_cast<double>(n) - static_cast<double>(q) * static_cast<double>(d));
#endif
}
inline float magnitude(float x) { return __builtin_fabsf(x); }
inline float with_sign(float x, float sign) { return __builtin_copysignf(x, sign); }

// exp(x) = 2^k (1 + r + tail), |r| <= ln(2) / 2, for |x| < 1e4; `exponent` is k in the exponent's place.
struct ExpParts {
  float r, tail;
  uint32_t exponent;
};
inline ExpParts exp_parts(float x) {
  const float shifted = fused(x, 1.44269504f, kRoundToIntegerF);
  const float k = shifted - kRoundToIntegerF;
  const float near = fused(k, -kLn2High, x);
  const float r = fused(k, -kLn2Low, near);
  const float rest = fused(k, -kLn2Low, near - r);
  float p = 1.976333879e-04f;  // (exp(r) - 1 - r) / r^2: 2^-31
  p = fused(p, r, 1.393277431e-03f);
  p = fused(p, r, 8.333545178e-03f);
  p = fused(p, r, 4.166648909e-02f);
  p = fused(p, r, 1.666666567e-01f);
  p = fused(p, r, 0.5f);
  return {r, fused(r * r, p, rest), bits_of(shifted) << 23};
}
// y * 2^k with k from -150 (if `negative`) to 128, in two steps: no overflow before the end, and a denormal
// result is rounded once.
inline float scaled(float y, uint32_t exponent, bool negative) {
  const float first = float_of(exponent + (negative ? kOneF + (64u << 23) : kOneF - (1u << 23)));
  return y * first * (negative ? 0x1p-64f : 2.0f);
}

inline float exp_(float x) {
  x = x < -104.0f ? -104.0f : (x > 89.0f ? 89.0f : x);
  const ExpParts e = exp_parts(x);
  const float one = 1.0f + e.r;
  return scaled(one + ((e.r - (one - 1.0f)) + e.tail), e.exponent, x < 0);
}

// exp(x) for x <= 0
inline float exp_nonpositive(float x) {
  const ExpParts e = exp_parts(x < -104.0f ? -104.0f : x);
  const float one = 1.0f + e.r;
  return (one + ((e.r - (one - 1.0f)) + e.tail)) * float_of(e.exponent + kOneF + (64u << 23)) * 0x1p-64f;
}

inline float expm1_(float x) {
  const float near = x < -18.0f ? -18.0f : (x > 89.0f ? 89.0f : x);
  const ExpParts e = exp_parts(near);
  const bool large = near > 60.0f;  // half of the result is made there: 2^128 is no float
  const float scale = float_of(e.exponent + (large ? kOneF - (1u << 23) : kOneF));
  const float base = large ? scale : scale - 1.0f;
  const float grown = scale * e.r;
  const float sum = base + grown;
  const float result = sum + fused(scale, e.tail, grown - (sum - base));
  return with_sign(large ? 2.0f * result : result, x);
}

// log(1 + f) - f for |f| <= 0.42
inline float log_bend(float f) {
  float p = 6.749618053e-02f;  // (log(1 + f) - f + f^2 / 2) / f^3: 2^-30
  p = fused(p, f, -1.167025417e-01f);
  p = fused(p, f, 1.188348383e-01f);
  p = fused(p, f, -1.240620390e-01f);
  p = fused(p, f, 1.422036141e-01f);
  p = fused(p, f, -1.666799039e-01f);
  p = fused(p, f, 2.000207156e-01f);
  p = fused(p, f, -2.500000894e-01f);
  p = fused(p, f, 3.333331347e-01f);
  return f * f * fused(f, p, -0.5f);
}
// log(1 + f + f_rest) + k ln(2)
inline float log_parts(float f, float f_rest, float k) {
  const float base = k * kLn2High;
  const float sum = base + f;
  return sum + ((f - (sum - base)) + fused(k, kLn2Low, log_bend(f) + f_rest));
}
// A logarithm's unit: what log(e) and log(2) are in it, in two parts; the first of log(2) has 16 bits.
struct LogUnit {
  float e, e_low, two, two_low;
};
constexpr LogUnit kLog2Unit = {1.44269502f, 1.92596299e-08f, 1.0f, 0.0f};
constexpr LogUnit kLog10Unit = {0.434294492f, -1.01030501e-08f, 0.301025391f, 4.60503898e-06f};
// (log(1 + f) + k ln(2)) in that unit
inline float log_parts(float f, float k, const LogUnit& unit) {
  const float scaled = f * unit.e;
  const float scaled_rest = -remainder_of(scaled, f, unit.e);
  const float rest = fused(f, unit.e_low, fused(log_bend(f), unit.e, scaled_rest));
  const float base = k * unit.two;
  const float sum = base + scaled;
  return sum + ((scaled - (sum - base)) + fused(k, unit.two_low, rest));
}
// x = 2^k m with m from sqrt(1/2) to sqrt(2), x normal
struct LogParts {
  float m;
  int32_t k;
};
inline LogParts split_exponent(float x) {
  constexpr uint32_t root_half = 0x3f3504f3u;
  const uint32_t shifted = bits_of(x) + (kOneF - root_half);
  return {float_of((shifted & 0x7fffffu) + root_half), static_cast<int32_t>(shifted >> 23) - 127};
}

// logarithm(m - 1, k) for positive x, infinity and NaN where they belong
template <class F>
inline float log_of(float x, F&& logarithm) {
  const bool tiny = x < std::numeric_limits<float>::min();
  const LogParts parts = split_exponent(tiny ? x * 0x1p23f : x);
  const float k = static_cast<float>(parts.k - (tiny ? 23 : 0));
  const float edge = x == 0 ? -kInfF : (x == kInfF ? kInfF : kNanF);
  return (x > 0) & (x < kInfF) ? logarithm(parts.m - 1.0f, k) : edge;
}
inline float log_(float x) {
  return log_of(x, [](float f, float k) { return log_parts(f, 0.0f, k); });
}
inline float log2_(float x) {
  return log_of(x, [](float f, float k) { return log_parts(f, k, kLog2Unit); });
}
inline float log10_(float x) {
  return log_of(x, [](float f, float k) { return log_parts(f, k, kLog10Unit); });
}

inline float log1p_(float x) {
  const float sum = 1.0f + x;
  const float lost = x > 1 ? 1.0f - (sum - x) : x - (sum - 1.0f);
  const LogParts parts = split_exponent(sum);
  // Beyond 2^100 what the sum lost does not count, and 2^-k might not be a float.
  const uint32_t k = static_cast<uint32_t>(parts.k > 100 ? 100 : parts.k);
  const float share = lost * float_of(kOneF - (k << 23));
  const float f = (parts.m - 1.0f) + share;
  const float f_rest = share - (f - (parts.m - 1.0f));
  const float edge = x == -1 ? -kInfF : (x == kInfF ? kInfF : kNanF);
  return with_sign((x > -1) & (x < kInfF) ? log_parts(f, f_rest, static_cast<float>(parts.k)) : edge, x);
}

// log(1 + exp(-a)) for a >= 0
inline float log1p_exp_(float a) {
  const float e = exp_nonpositive(-a);
  const bool large = e > 0.41421356f;
  return log_parts(large ? (e - 1.0f) * 0.5f : e, 0.0f, large ? 1.0f : 0.0f);
}

// (n + n_rest) / (1 + d + d_rest), where 0 <= d <= 1 and the rests are what rounding took from n and d. A
// division takes as long as a dozen multiply-adds: the inverse is a polynomial (2^-9), bettered by one step
// of Newton's (2^-18) and, with the remainder, by another.
inline float quotient(float n, float n_rest, float d, float d_rest) {
  const float divisor = 1.0f + d;
  const float divisor_rest = (d - (divisor - 1.0f)) + d_rest;
  float inverse = fused(-0.22183711f, d, 0.66551145f);
  inverse = fused(inverse, d, -0.9428078f);
  inverse = fused(inverse, d, 0.99826693f);
  inverse = fused(fused(-inverse, divisor, 1.0f), inverse, inverse);
  const float q = n * inverse;
  return fused(remainder_of(n, q, divisor) + fused(-q, divisor_rest, n_rest), inverse, q);
}

// (1 - e) / (1 + e) with e = exp(-2 |x|)
inline float tanh_(float x) {
  const float a = magnitude(x);
  const ExpParts p = exp_parts(-2.0f * (a > 10.0f ? 10.0f : a));
  const float scale = float_of(p.exponent + kOneF);
  const float base = scale - 1.0f;
  const float grown = fused(scale, p.r, scale - (base + 1.0f));
  const float sum = base + grown;
  const float tail = fused(scale, p.tail, grown - (sum - base));
  const float m = sum + tail;  // e - 1
  const float m_rest = tail - (m - sum);
  const float e = 1.0f + m;
  return with_sign(quotient(-m, -m_rest, e, (m - (e - 1.0f)) + m_rest), x);
}

// e / (1 + e) or 1 / (1 + e) with e = exp(-|x|)
inline float sigmoid_(float x) {
  const float e = exp_nonpositive(-magnitude(x));
  return quotient(x < 0 ? e : 1.0f, 0.0f, e, 0.0f);
}

// x times a polynomial in x^2 near 0, 1 - exp of a polynomial in |x| beyond
inline float erf_(float x) {
  const float a = magnitude(x);
  const float z = x * x;
  float p = 8.052897306e-05f;  // (erf(x) / x - 2 / sqrt(pi)) / x^2 for |x| <= 0.97: 2^-30 of erf(x) / x
  p = fused(p, z, -8.063861376e-04f);
  p = fused(p, z, 5.193722904e-03f);
  p = fused(p, z, -2.685629494e-02f);
  p = fused(p, z, 1.128363639e-01f);
  p = fused(p, z, -3.761262966e-01f);
  const float near = fused(x, 1.12837911f, x * fused(z, p, 6.05739e-08f));
  const float b = a > 4.0f ? 4.0f : a;
  float q = -1.915039278e-04f;  // -log(1 - erf(a)) for a from 0.95 to 4, where erf(a) is 1 as a float: 2^-29
  q = fused(q, b, 2.999538701e-03f);
  q = fused(q, b, -2.205198965e-02f);
  q = fused(q, b, 1.035668762e-01f);
  q = fused(q, b, 6.376000564e-01f);
  q = fused(q, b, 1.127426076e+00f);
  q = fused(q, b, 2.564481150e-04f);
  const ExpParts e = exp_parts(-q);
  const float tail = fused(e.r + e.tail, float_of(e.exponent + kOneF), float_of(e.exponent + kOneF));
  return a < 0.97f ? near : with_sign(1.0f - tail, x);
}

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

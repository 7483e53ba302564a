// Smooth functions for float32 arguments, evaluated in double without branches or tables, so that loops over
// them vectorise at any level. Relative error below 2^-28 before the final rounding to float: results are
// within 0.51 ulp. Polynomials are Chebyshev interpolants of the named function on the named interval
// (relative errors beside them).
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kPi = 3.14159265358979323846;
constexpr double kRoundToInteger =
    6755399441055744.0;  // 1.5 * 2^52: adding it leaves the integer in the low bits

inline uint64_t bits_of(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, 8);
  return bits;
}
inline double double_of(uint64_t bits) {
  double x;
  std::memcpy(&x, &bits, 8);
  return x;
}
inline double fused(double a, double b, double c) {
#if (defined(__FMA__) || defined(__ARM_FEATURE_FMA)) && !defined(RUSHLIGHT_UNFUSED)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}
inline double magnitude(double x) { return __builtin_fabs(x); }
inline double with_sign(double x, double sign) { return __builtin_copysign(x, sign); }
inline double root(double x) { return __builtin_sqrt(x); }

// Arguments beyond +-600 give 1e-261 or 1e260, which are 0 and infinity as floats and leave callers room to
// multiply.
inline double exp_(double x) {
  x = x < -600 ? -600 : (x > 600 ? 600 : x);
  const double shifted = fused(x, 1.4426950408889634, kRoundToInteger);
  const double k = shifted - kRoundToInteger;
  const double r = fused(k, -0.69314718055994531, x);
  double p = 1.99079530412684812e-04;  // exp on |r| <= ln(2) / 2: 2^-34
  p = fused(p, r, 1.39489239148961851e-03);
  p = fused(p, r, 8.33328296093649445e-03);
  p = fused(p, r, 4.16662131159278790e-02);
  p = fused(p, r, 1.66666667883963782e-01);
  p = fused(p, r, 5.00000010960937824e-01);
  p = fused(p, r, 9.99999999995404232e-01);
  p = fused(p, r, 9.99999999958618213e-01);
  return p * double_of((bits_of(shifted) << 52) + 0x3ff0000000000000u);
}

inline double expm1_(double x) {
  const double series = x * fused(x, fused(x, fused(x, 1.0 / 24, 1.0 / 6), 0.5), 1.0);
  return magnitude(x) < 0.015625 ? series : exp_(x) - 1;
}

inline double log_(double x) {
  constexpr uint64_t root_half = 0x3fe6a09e667f3bcdu;
  // x = 2^k m with m from sqrt(1/2) to sqrt(2)
  const uint64_t shifted = bits_of(x) + (0x3ff0000000000000u - root_half);
  const double k = double_of(shifted >> 52 | 0x4330000000000000u) - (4503599627370496.0 + 1023.0);
  const double m = double_of((shifted & 0xfffffffffffffu) + root_half);
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  double p = 1.93638849866331980e-01;  // (2 atanh(s) - 2 s) / s^3: 2^-37
  p = fused(p, z, 2.21913374280657827e-01);
  p = fused(p, z, 2.85717555350329444e-01);
  p = fused(p, z, 3.99999987924416878e-01);
  p = fused(p, z, 6.66666666673786823e-01);
  const double result = fused(k, 0.69314718055994531, fused(s * z, p, 2 * s));
  const double edge = x == 0 ? -kInf : (x == kInf ? kInf : kNan);
  return (x > 0) & (x < kInf) ? result : edge;
}

inline double log1p_(double x) {
  return magnitude(x) < 9.5367431640625e-07 ? x * fused(x, -0.5, 1.0) : log_(1 + x);
}

// sin, cos and tan are evaluated here up to this magnitude; beyond it slow_* ask the C library.
inline bool trig_in_range(double x) { return magnitude(x) <= 524288; }
inline double slow_sin(double x) { return __builtin_sin(x); }
inline double slow_cos(double x) { return __builtin_cos(x); }
inline double slow_tan(double x) { return __builtin_tan(x); }

struct SinCos {
  double sin, cos;
  uint64_t quadrant;
};
// x = quadrant * pi / 2 + r, |r| <= pi / 4; pi / 2 in three parts, the first two with 33 bits.
inline SinCos sin_cos(double x) {
  const double shifted = fused(x, 0.63661977236758134, kRoundToInteger);
  const double n = shifted - kRoundToInteger;
  double r = fused(n, -1.57079632673412561417, x);
  r = fused(n, -6.07710050630396597660e-11, r);
  r = fused(n, -2.02226624879595063154e-21, r);
  const double z = r * r;
  double p = 2.72496200800753308e-06;  // (sin(r) - r) / r^3: 2^-35
  p = fused(p, z, -1.98400843764227024e-04);
  p = fused(p, z, 8.33333187034134872e-03);
  p = fused(p, z, -1.66666666638440486e-01);
  double q = -2.73007040380866502e-07;  // (cos(r) - 1 + r^2 / 2) / r^4: 2^-38
  q = fused(q, z, 2.48005984083501206e-05);
  q = fused(q, z, -1.38888876683706630e-03);
  q = fused(q, z, 4.16666666643118258e-02);
  return {r * fused(z, p, 1.0), fused(z * z, q, fused(z, -0.5, 1.0)), bits_of(shifted)};
}
inline double flip_sign(double x, uint64_t quadrant) { return double_of(bits_of(x) ^ (quadrant & 2) << 62); }
inline double sin_(double x) {
  const SinCos v = sin_cos(x);
  return flip_sign(v.quadrant & 1 ? v.cos : v.sin, v.quadrant);
}
inline double cos_(double x) {
  const SinCos v = sin_cos(x);
  return flip_sign(v.quadrant & 1 ? v.sin : v.cos, v.quadrant + 1);
}
inline double tan_(double x) {
  const SinCos v = sin_cos(x);
  return v.quadrant & 1 ? -v.cos / v.sin : v.sin / v.cos;
}

inline double atan2_(double y, double x) {
  double a = magnitude(y);
  double b = magnitude(x);
  a = a > 1e200 ? 1e200 : a;  // infinities become equal, finite ones vanish beside them
  b = b > 1e200 ? 1e200 : b;
  // The angle is base + atan(t), |t| <= tan(pi / 8).
  const bool steep = a > 2.41421356237309505 * b;
  const bool flat = a <= 0.41421356237309505 * b;
  const double numerator = steep ? -b : (flat ? a : a - b);
  const double denominator = steep ? a : (flat ? b : a + b);
  const double base = steep ? kPi / 2 : (flat ? 0.0 : kPi / 4);
  const double t = denominator == 0 ? 0.0 : numerator / denominator;
  const double z = t * t;
  double p = -4.04131402647063820e-02;  // (atan(t) - t) / t^3: 2^-35
  p = fused(p, z, 7.13442020121825698e-02);
  p = fused(p, z, -9.02882401557621311e-02);
  p = fused(p, z, 1.11074822988596847e-01);
  p = fused(p, z, -1.42856120495556127e-01);
  p = fused(p, z, 1.99999989112964127e-01);
  p = fused(p, z, -3.33333333314283553e-01);
  const double angle = base + t * fused(z, p, 1.0);
  return with_sign(with_sign(1.0, x) < 0 ? kPi - angle : angle, y);
}
inline double atan_(double x) { return atan2_(x, 1.0); }
inline double asin_(double x) { return atan2_(x, root((1 - x) * (1 + x))); }
inline double acos_(double x) { return atan2_(root((1 - x) * (1 + x)), x); }

inline double sinh_(double x) {
  const double grown = expm1_(magnitude(x));
  return with_sign(0.5 * (grown + grown / (grown + 1)), x);
}
inline double cosh_(double x) {
  const double grown = exp_(x);
  return 0.5 * (grown + 1 / grown);
}
inline double tanh_(double x) {
  const double near = x > 20 ? 20 : (x < -20 ? -20 : x);
  const double grown = expm1_(2 * near);
  return grown / (grown + 2);
}
inline double asinh_(double x) {
  const double a = magnitude(x);
  const double result = log1p_(a + a * a / (1 + root(fused(a, a, 1.0))));
  return with_sign(a == kInf ? a : result, x);
}
inline double acosh_(double x) {
  const double above = x - 1;
  return above < 0 ? kNan : log1p_(above + root(above * (above + 2)));
}
inline double atanh_(double x) {
  const double a = magnitude(x);
  return with_sign(0.5 * log1p_(2 * a / (1 - a)), x);
}

// erf(x) / x from z = x^2 <= 1: 2^-34
inline double erf_slope(double z) {
  double p = -9.66704457148699645e-06;
  p = fused(p, z, 1.12659590256066090e-04);
  p = fused(p, z, -8.48408040553510676e-04);
  p = fused(p, z, 5.22103180785802277e-03);
  p = fused(p, z, -2.68654307276702427e-02);
  p = fused(p, z, 1.12837824952368451e-01);
  p = fused(p, z, -3.76126384680287085e-01);
  return fused(p, z, 1.12837916706154351e+00);
}
// erfc(a) for a from 0.95 to infinity (0 from 10.1 on, as a float): exp(-a^2) times a polynomial in
// t = (a - 2.5) / (a + 2.5) over a + 2.5: 2^-36
inline double erfc_tail(double a) {
  a = a > 20 ? 20 : a;
  const double scale = 1 / (a + 2.5);
  const double t = (a - 2.5) * scale;
  double p = -1.04738192262366590e-04;
  p = fused(p, t, 4.88789379165158240e-05);
  p = fused(p, t, 7.01486946817827129e-04);
  p = fused(p, t, -4.37453580519720213e-04);
  p = fused(p, t, -4.81869795635755591e-03);
  p = fused(p, t, 8.39290539131088385e-03);
  p = fused(p, t, 2.83615457624951557e-02);
  p = fused(p, t, -1.71251141271892338e-01);
  p = fused(p, t, 4.53914116789875532e-01);
  p = fused(p, t, -8.04651849458502877e-01);
  p = fused(p, t, 1.05403182030489928e+00);
  return exp_(-a * a) * p * scale;
}
inline double erf_(double x) {
  const double a = magnitude(x);
  return a < 0.97 ? x * erf_slope(x * x) : with_sign(1 - erfc_tail(a), x);
}
inline double erfc_(double x) {
  const double a = magnitude(x);
  const double tail = erfc_tail(a);
  return a < 0.97 ? 1 - x * erf_slope(x * x) : (x < 0 ? 2 - tail : tail);
}

// The normal distribution function. With a = |x| it is, at -a, exp(-a^2 / 2) times a polynomial in
// t = (a - 3) / (a + 3) over a + 3, for a to 14.5: 2^-30; beyond, it is 0 as a float.
inline double normal_cdf(double x) {
  const double a = magnitude(x);
  const double scale = 1 / (a + 3);
  const double t = fused(-6.0, scale, 1.0);
  double p = 5.44550946907464882e-05;
  p = fused(p, t, 1.31253897807999127e-04);
  p = fused(p, t, -2.44754654476710370e-04);
  p = fused(p, t, -1.03252409957119607e-03);
  p = fused(p, t, 1.02478404052977435e-03);
  p = fused(p, t, 6.96930225256356829e-03);
  p = fused(p, t, -1.04625203585082573e-02);
  p = fused(p, t, -4.72626875953099518e-02);
  p = fused(p, t, 2.30017699956548638e-01);
  p = fused(p, t, -5.09331991407408702e-01);
  p = fused(p, t, 7.29083690370078585e-01);
  const double tail = a > 20 ? 0.0 : exp_(-0.5 * a * a) * p * scale;
  return x > 0 ? 1 - tail : tail;
}

inline double pow_(double x, double y) {
  const double a = magnitude(x);
  const double y_near =
      y < -1073741824 ? -1073741824 : (y > 1073741824 ? 1073741824 : y);  // 2^30 is even, like all above
  const double shifted = y_near + kRoundToInteger;
  const bool whole = shifted - kRoundToInteger == y_near;
  const uint64_t odd = whole ? bits_of(shifted) << 63 : 0;
  double result = exp_(y * log_(a));
  result = a == 1 ? (magnitude(y) == kInf ? 1.0 : result) : result;
  result = double_of(bits_of(result) | (bits_of(x) & odd));
  const double finite_base = whole ? result : kNan;
  result = x < 0 ? (a < kInf ? finite_base : result) : result;
  result = x == 1 ? 1.0 : result;
  return y == 0 ? 1.0 : result;
}

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

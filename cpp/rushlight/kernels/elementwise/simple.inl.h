// Elementwise operations of one operand that need arithmetic only; T is float, double, int32_t or int64_t.
// Included once per translation unit, inside it everything is local (isa.h).
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "rushlight/kernels/elementwise/elementwise.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

inline float sqrt_of(float x) { return __builtin_sqrtf(x); }
inline double sqrt_of(double x) { return __builtin_sqrt(x); }
inline float floor_of(float x) { return __builtin_floorf(x); }
inline double floor_of(double x) { return __builtin_floor(x); }
inline float ceil_of(float x) { return __builtin_ceilf(x); }
inline double ceil_of(double x) { return __builtin_ceil(x); }
inline float trunc_of(float x) { return __builtin_truncf(x); }
inline double trunc_of(double x) { return __builtin_trunc(x); }
inline float rint_of(float x) { return __builtin_rintf(x); }
inline double rint_of(double x) { return __builtin_rint(x); }
inline float abs_of(float x) { return __builtin_fabsf(x); }
inline double abs_of(double x) { return __builtin_fabs(x); }
inline float copysign_of(float x, float y) { return __builtin_copysignf(x, y); }
inline double copysign_of(double x, double y) { return __builtin_copysign(x, y); }
inline float fmod_of(float x, float y) { return __builtin_fmodf(x, y); }
inline double fmod_of(double x, double y) { return __builtin_fmod(x, y); }

template <class T>
constexpr bool is_real = std::is_floating_point_v<T>;
template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

// Unsigned counterparts make integer overflow wrap instead of being undefined.
template <class T, bool = is_real<T>>
struct WrapType {
  using type = T;
};
template <class T>
struct WrapType<T, false> {
  using type = std::make_unsigned_t<T>;
};
template <class T>
using Wrap = typename WrapType<T>::type;
template <class T>
inline T sum_of(T a, T b) {
  return static_cast<T>(Wrap<T>(a) + Wrap<T>(b));
}
template <class T>
inline T difference_of(T a, T b) {
  return static_cast<T>(Wrap<T>(a) - Wrap<T>(b));
}
template <class T>
inline T product_of(T a, T b) {
  return static_cast<T>(Wrap<T>(a) * Wrap<T>(b));
}

template <class T>
inline T scalar_of(const ElementwiseScalars& scalars, int i) {
  if constexpr (is_real<T>)
    return static_cast<T>(scalars.real[i]);
  else
    return static_cast<T>(scalars.integer[i]);
}

template <class T>
struct Neg {
  T operator()(T x) const {
    if constexpr (is_real<T>)
      return -x;
    else
      return difference_of<T>(0, x);
  }
};
template <class T>
struct Abs {
  T operator()(T x) const {
    if constexpr (is_real<T>)
      return abs_of(x);
    else
      return x < 0 ? difference_of<T>(0, x) : x;
  }
};
template <class T>
struct Sign {
  T operator()(T x) const {  // NaN gives 0, as in PyTorch
    return static_cast<T>(x > 0 ? T(1) : T(0)) - static_cast<T>(x < 0 ? T(1) : T(0));
  }
};
template <class T>
struct Square {
  T operator()(T x) const { return product_of(x, x); }
};
template <class T>
struct Cube {
  T operator()(T x) const { return product_of(product_of(x, x), x); }
};
template <class T>
struct Relu {
  T operator()(T x) const { return x < 0 ? T(0) : x; }  // NaN stays
};
template <class T>
struct Clamp {
  T low, high;
  explicit Clamp(const ElementwiseScalars& s) : low(scalar_of<T>(s, 0)), high(scalar_of<T>(s, 1)) {}
  T operator()(T x) const {
    const T raised = x < low ? low : x;
    return raised > high ? high : raised;
  }
};
template <class T>
struct Reciprocal {
  T operator()(T x) const { return T(1) / x; }
};
template <class T>
struct Sqrt {
  T operator()(T x) const { return sqrt_of(x); }
};
template <class T>
struct Rsqrt {
  T operator()(T x) const { return T(1) / sqrt_of(x); }
};
template <class T>
struct Floor {
  T operator()(T x) const { return floor_of(x); }
};
template <class T>
struct Ceil {
  T operator()(T x) const { return ceil_of(x); }
};
template <class T>
struct Trunc {
  T operator()(T x) const { return trunc_of(x); }
};
template <class T>
struct Frac {
  T operator()(T x) const { return x - trunc_of(x); }
};
template <class T>
struct Round {
  T operator()(T x) const { return rint_of(x); }  // half to even
};
template <class T>
struct RoundDecimals {
  T multiply, divide;
  explicit RoundDecimals(const ElementwiseScalars& s)
      : multiply(scalar_of<T>(s, 0)), divide(scalar_of<T>(s, 1)) {}
  T operator()(T x) const { return rint_of(x * multiply / divide) / multiply * divide; }
};
template <class T>
struct LeakyRelu {
  T slope;
  explicit LeakyRelu(const ElementwiseScalars& s) : slope(scalar_of<T>(s, 0)) {}
  T operator()(T x) const { return x > 0 ? x : x * slope; }
};
// min(max(x + 3, 0), 6), NaN kept
template <class T>
inline T relu6_shifted(T x) {
  const T y = x + 3;
  return y < 0 ? T(0) : (y > 6 ? T(6) : y);
}
template <class T>
struct Hardswish {
  T operator()(T x) const { return x * relu6_shifted(x) / 6; }
};
template <class T>
struct Hardsigmoid {
  T operator()(T x) const { return relu6_shifted(x) / 6; }
};
template <class T>
struct IsNan {
  bool operator()(T x) const { return x != x; }
};
template <class T>
struct IsInf {
  bool operator()(T x) const { return abs_of(x) == kInfinity<T>; }
};
template <class T>
struct IsFinite {
  bool operator()(T x) const { return abs_of(x) < kInfinity<T>; }
};
template <class T>
struct Signbit {
  bool operator()(T x) const {
    if constexpr (is_real<T>)
      return copysign_of(T(1), x) < 0;
    else
      return x < 0;
  }
};
template <class T>
struct LogicalNot {
  bool operator()(T x) const { return x == 0; }
};
template <class T>
struct BitwiseNot {
  T operator()(T x) const { return ~x; }
};

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

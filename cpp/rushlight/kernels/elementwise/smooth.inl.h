// Elementwise operations on smooth functions, T is float or double. The functions with an underscore come
// from fast_math_f32.inl.h (T = float; those it does not overload take and give double) or libm_math.inl.h
// (double), one of which is included before.
#pragma once

#include "rushlight/kernels/elementwise/simple.inl.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

template <class T>
struct Exp {
  T operator()(T x) const { return static_cast<T>(exp_(x)); }
};
template <class T>
struct Exp2 {
  T operator()(T x) const {
    if constexpr (sizeof(T) == 4)
      return static_cast<T>(exp_(static_cast<double>(x) * 0.69314718055994530942));
    else
      return __builtin_exp2(x);
  }
};
template <class T>
struct Expm1 {
  T operator()(T x) const { return static_cast<T>(expm1_(x)); }
};
template <class T>
struct Log {
  T operator()(T x) const { return static_cast<T>(log_(x)); }
};
template <class T>
struct Log2 {
  T operator()(T x) const { return log2_(x); }
};
template <class T>
struct Log10 {
  T operator()(T x) const { return log10_(x); }
};
template <class T>
struct Log1p {
  T operator()(T x) const { return static_cast<T>(log1p_(x)); }
};

// `in_range` and `slow` mark the operations that need a second look at huge arguments (run_unary).
template <class T>
struct Sin {
  T operator()(T x) const { return static_cast<T>(sin_(x)); }
  static bool in_range(T x) { return trig_in_range(x); }
  static T slow(T x) { return static_cast<T>(slow_sin(x)); }
};
template <class T>
struct Cos {
  T operator()(T x) const { return static_cast<T>(cos_(x)); }
  static bool in_range(T x) { return trig_in_range(x); }
  static T slow(T x) { return static_cast<T>(slow_cos(x)); }
};
template <class T>
struct Tan {
  T operator()(T x) const { return static_cast<T>(tan_(x)); }
  static bool in_range(T x) { return trig_in_range(x); }
  static T slow(T x) { return static_cast<T>(slow_tan(x)); }
};
template <class T>
struct Asin {
  T operator()(T x) const { return static_cast<T>(asin_(x)); }
};
template <class T>
struct Acos {
  T operator()(T x) const { return static_cast<T>(acos_(x)); }
};
template <class T>
struct Atan {
  T operator()(T x) const { return static_cast<T>(atan_(x)); }
};
template <class T>
struct Sinh {
  T operator()(T x) const { return static_cast<T>(sinh_(x)); }
};
template <class T>
struct Cosh {
  T operator()(T x) const { return static_cast<T>(cosh_(x)); }
};
template <class T>
struct Tanh {
  T operator()(T x) const { return static_cast<T>(tanh_(x)); }
};
template <class T>
struct Asinh {
  T operator()(T x) const { return static_cast<T>(asinh_(x)); }
};
template <class T>
struct Acosh {
  T operator()(T x) const { return static_cast<T>(acosh_(x)); }
};
template <class T>
struct Atanh {
  T operator()(T x) const { return static_cast<T>(atanh_(x)); }
};
template <class T>
struct Erf {
  T operator()(T x) const { return static_cast<T>(erf_(x)); }
};
template <class T>
struct Erfc {
  T operator()(T x) const { return static_cast<T>(erfc_(x)); }
};

// ---- two operands

template <class T>
struct Pow {
  T operator()(T x, T y) const {
    if constexpr (is_real<T>)
      return static_cast<T>(pow_(x, y));
    else
      return integer_power(x, y);
  }
  // Negative powers truncate: only 1 and -1 have one that is not 0.
  static T integer_power(T x, T y) {
    if (y < 0) return x == 1 ? T(1) : (x == -1 ? (y & 1 ? T(-1) : T(1)) : T(0));
    T result = 1;
    for (; y != 0; y >>= 1, x = product_of(x, x))
      if (y & 1) result = product_of(result, x);
    return result;
  }
};
template <class T>
struct Atan2 {
  T operator()(T y, T x) const { return static_cast<T>(atan2_(y, x)); }
};
template <class T>
struct Hypot {
  T operator()(T x, T y) const {
    if constexpr (sizeof(T) == 4) {
      const double a = abs_of(x);
      const double b = abs_of(y);
      return static_cast<T>((a == kInf) | (b == kInf) ? kInf : sqrt_of(a * a + b * b));
    } else {
      return __builtin_hypot(x, y);
    }
  }
};
template <class T>
struct LogAddExp {
  T operator()(T a, T b) const {
    const T high = a > b ? a : b;
    const T low = a > b ? b : a;
    const bool same = high == low;  // equal infinities: their difference is NaN
    return high + log1p_exp_(same ? T(0) : high - low);
  }
};
template <class T>
struct Xlogy {
  T operator()(T x, T y) const {
    const T product = static_cast<T>(x * log_(y));
    return (x == 0) & (y == y) ? T(0) : product;
  }
};

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

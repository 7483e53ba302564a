// Elementwise operations on smooth functions, T is float or double. The formulas are evaluated in double with
// the functions of fast_math.inl.h (float) or libm_math.inl.h (double), one of which is included before.
#pragma once

#include "rushlight/kernels/elementwise/simple.inl.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

template <class T>
inline double sigmoid_of(T x) {
  return 1 / (1 + exp_(-static_cast<double>(x)));
}
// The normal distribution function and its density
inline double normal_cdf(double x) { return 0.5 * erfc_(x * -0.70710678118654752440); }
inline double normal_pdf(double x) { return 0.39894228040143267794 * exp_(-0.5 * x * x); }

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
  T operator()(T x) const {
    if constexpr (sizeof(T) == 4)
      return static_cast<T>(log_(x) * 1.44269504088896340736);
    else
      return __builtin_log2(x);
  }
};
template <class T>
struct Log10 {
  T operator()(T x) const {
    if constexpr (sizeof(T) == 4)
      return static_cast<T>(log_(x) * 0.43429448190325182765);
    else
      return __builtin_log10(x);
  }
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

template <class T>
struct Lgamma;  // Libm: elementwise_plain.cpp

// ---- activations and their gradients

template <class T>
struct Sigmoid {
  T operator()(T x) const { return static_cast<T>(sigmoid_of(x)); }
};
// log(1 + exp(x)); what exp(x) is too small to move 1 by is exp(x) itself
inline double softplus_of(double x) {
  const double capped = x > 500 ? 500 : x;
  const double result = log1p_(exp_(capped));
  return x > 500 ? x : result;
}
template <class T>
struct LogSigmoid {
  T operator()(T x) const { return static_cast<T>(-softplus_of(-static_cast<double>(x))); }
};
template <class T>
struct LogSigmoidBackward {
  T operator()(T grad, T x) const { return static_cast<T>(grad * sigmoid_of(-x)); }
};
template <class T>
struct Softplus {
  double beta, threshold;
  explicit Softplus(const ElementwiseScalars& s) : beta(s.real[0]), threshold(s.real[1]) {}
  T operator()(T x) const {
    const double scaled = x * beta;
    return scaled > threshold ? x : static_cast<T>(softplus_of(scaled) / beta);
  }
};
template <class T>
struct SoftplusBackward {
  double beta, threshold;
  explicit SoftplusBackward(const ElementwiseScalars& s) : beta(s.real[0]), threshold(s.real[1]) {}
  T operator()(T grad, T x) const {
    const double scaled = x * beta;
    return scaled > threshold ? grad : static_cast<T>(grad * sigmoid_of(scaled));
  }
};
template <class T>
struct Silu {
  T operator()(T x) const { return static_cast<T>(x * sigmoid_of(x)); }
};
template <class T>
struct SiluBackward {
  T operator()(T grad, T x) const {
    const double s = sigmoid_of(x);
    return static_cast<T>(grad * (s * (1 + x * (1 - s))));
  }
};
// tanh(softplus(x)) = (e^2 + 2 e) / (e^2 + 2 e + 2) with e = exp(x)
inline double tanh_softplus(double x) {
  const double e = exp_(x > 40 ? 40 : x);
  const double n = e * (e + 2);
  return n / (n + 2);
}
template <class T>
struct Mish {
  T operator()(T x) const { return static_cast<T>(x * tanh_softplus(x)); }
};
template <class T>
struct MishBackward {
  T operator()(T grad, T x) const {
    const double w = tanh_softplus(x);
    return static_cast<T>(grad * (w + x * sigmoid_of(x) * (1 - w * w)));
  }
};
template <class T>
struct Gelu {
  T operator()(T x) const { return static_cast<T>(x * normal_cdf(x)); }
};
template <class T>
struct GeluBackward {
  T operator()(T grad, T x) const { return static_cast<T>(grad * (normal_cdf(x) + x * normal_pdf(x))); }
};
constexpr double kGeluScale = 0.79788456080286535588;  // sqrt(2 / pi)
constexpr double kGeluCubic = 0.044715;
template <class T>
struct GeluTanh {
  T operator()(T value) const {
    const double x = value;
    return static_cast<T>(0.5 * x * (1 + tanh_(kGeluScale * (x + kGeluCubic * x * x * x))));
  }
};
template <class T>
struct GeluTanhBackward {
  T operator()(T grad, T value) const {
    const double x = value;
    const double t = tanh_(kGeluScale * (x + kGeluCubic * x * x * x));
    const double slope = (1 - t * t) * kGeluScale * (1 + 3 * kGeluCubic * x * x);
    return static_cast<T>(grad * 0.5 * (1 + t + x * slope));
  }
};
template <class T>
struct Elu {
  double negative, positive, input;
  explicit Elu(const ElementwiseScalars& s) : negative(s.real[0]), positive(s.real[1]), input(s.real[2]) {}
  T operator()(T x) const { return static_cast<T>(x > 0 ? x * positive : expm1_(x * input) * negative); }
};
template <class T>
struct EluBackward {
  double negative, positive, input;
  explicit EluBackward(const ElementwiseScalars& s)
      : negative(s.real[0]), positive(s.real[1]), input(s.real[2]) {}
  T operator()(T grad, T x) const {
    return static_cast<T>(grad * (x > 0 ? positive : negative * input * exp_(x * input)));
  }
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
    const double high = a > b ? a : b;
    const double low = a > b ? b : a;
    const bool same = high == low;  // equal infinities: their difference is NaN
    return static_cast<T>(high + log1p_(exp_(same ? 0.0 : low - high)));
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

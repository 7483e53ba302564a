// Activations of neural networks and their gradients; as smooth.inl.h.
#pragma once

#include "rushlight/kernels/elementwise/smooth.inl.h"

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

// ---- gradients that need arithmetic only

template <class T>
struct ThresholdBackward {
  T threshold;
  explicit ThresholdBackward(const ElementwiseScalars& s) : threshold(scalar_of<T>(s, 0)) {}
  T operator()(T grad, T x) const { return x <= threshold ? T(0) : grad; }
};
template <class T>
struct ClampBackward {
  T low, high;
  explicit ClampBackward(const ElementwiseScalars& s) : low(scalar_of<T>(s, 0)), high(scalar_of<T>(s, 1)) {}
  T operator()(T grad, T x) const { return (x >= low) & (x <= high) ? grad : T(0); }
};
template <class T>
struct HardtanhBackward {  // unlike clamp's, zero at the bounds
  T low, high;
  explicit HardtanhBackward(const ElementwiseScalars& s)
      : low(scalar_of<T>(s, 0)), high(scalar_of<T>(s, 1)) {}
  T operator()(T grad, T x) const { return (x > low) & (x < high) ? grad : T(0); }
};
template <class T>
struct LeakyReluBackward {
  T slope;
  explicit LeakyReluBackward(const ElementwiseScalars& s) : slope(scalar_of<T>(s, 0)) {}
  T operator()(T grad, T x) const { return x > 0 ? grad : grad * slope; }
};
template <class T>
struct HardswishBackward {
  T operator()(T grad, T x) const {
    const T inside = grad * (x / 3 + T(0.5));
    return x <= -3 ? T(0) : (x < 3 ? inside : grad);
  }
};
template <class T>
struct HardsigmoidBackward {
  T operator()(T grad, T x) const { return (x > -3) & (x < 3) ? grad / 6 : T(0); }
};
template <class T>
struct SigmoidBackward {
  T operator()(T grad, T y) const { return grad * (T(1) - y) * y; }
};
template <class T>
struct TanhBackward {
  T operator()(T grad, T y) const { return grad * (T(1) - y * y); }
};

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

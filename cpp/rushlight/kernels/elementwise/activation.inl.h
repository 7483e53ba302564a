// Activations of neural networks and their gradients; as smooth.inl.h.
#pragma once

#include "rushlight/kernels/elementwise/smooth.inl.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

// log(1 + exp(x))
template <class T>
inline T softplus_of(T x) {
  return (x > 0 ? x : T(0)) + log1p_exp_(abs_of(x));
}
// The normal distribution's density
inline double normal_pdf(double x) { return 0.39894228040143267794 * exp_(-0.5 * x * x); }

template <class T>
struct Sigmoid {
  T operator()(T x) const { return sigmoid_(x); }
};
template <class T>
struct LogSigmoid {
  T operator()(T x) const { return -softplus_of(-x); }
};
template <class T>
struct LogSigmoidBackward {
  T operator()(T grad, T x) const { return grad * sigmoid_(-x); }
};
template <class T>
struct Softplus {
  T beta, inverse, threshold;
  explicit Softplus(const ElementwiseScalars& s)
      : beta(scalar_of<T>(s, 0)), inverse(T(1) / beta), threshold(scalar_of<T>(s, 1)) {}
  T operator()(T x) const {
    const T scaled = x * beta;
    return scaled > threshold ? x : softplus_of(scaled) * inverse;
  }
};
template <class T>
struct SoftplusBackward {
  T beta, threshold;
  explicit SoftplusBackward(const ElementwiseScalars& s)
      : beta(scalar_of<T>(s, 0)), threshold(scalar_of<T>(s, 1)) {}
  T operator()(T grad, T x) const {
    const T scaled = x * beta;
    return scaled > threshold ? grad : grad * sigmoid_(scaled);
  }
};
template <class T>
struct Silu {
  T operator()(T x) const { return x * sigmoid_(x); }
};
template <class T>
struct SiluBackward {
  T operator()(T grad, T x) const {
    const T s = sigmoid_(x);
    return grad * (s * (1 + x * (1 - s)));
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
    return static_cast<T>(grad * (w + x * static_cast<double>(sigmoid_(x)) * (1 - w * w)));
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
// (1 + tanh(u)) / 2 is sigmoid(2 u)
template <class T>
struct GeluTanh {
  T operator()(T x) const { return x * sigmoid_(T(2 * kGeluScale) * (x + T(kGeluCubic) * x * x * x)); }
};
template <class T>
struct GeluTanhBackward {
  T operator()(T grad, T x) const {
    const T s = sigmoid_(T(2 * kGeluScale) * (x + T(kGeluCubic) * x * x * x));
    const T slope = T(2 * kGeluScale) * (1 + T(3 * kGeluCubic) * x * x);
    return grad * (s * (1 + x * (1 - s) * slope));
  }
};
template <class T>
struct Elu {
  T negative, positive, input;
  explicit Elu(const ElementwiseScalars& s)
      : negative(scalar_of<T>(s, 0)), positive(scalar_of<T>(s, 1)), input(scalar_of<T>(s, 2)) {}
  T operator()(T x) const { return x > 0 ? x * positive : expm1_(x * input) * negative; }
};
template <class T>
struct EluBackward {
  T negative, positive, input;
  explicit EluBackward(const ElementwiseScalars& s)
      : negative(scalar_of<T>(s, 0)), positive(scalar_of<T>(s, 1)), input(scalar_of<T>(s, 2)) {}
  T operator()(T grad, T x) const { return grad * (x > 0 ? positive : negative * input * exp_(x * input)); }
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

// Elementwise operations of two and three operands that need arithmetic only; T as in simple.inl.h.
#pragma once

#include "rushlight/kernels/elementwise/simple.inl.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

template <class T>
struct Add {
  T operator()(T a, T b) const { return sum_of(a, b); }
};
template <class T>
struct AddScaled {
  T factor;
  explicit AddScaled(const ElementwiseScalars& s) : factor(scalar_of<T>(s, 0)) {}
  T operator()(T a, T b) const { return sum_of(a, product_of(factor, b)); }
};
template <class T>
struct Sub {
  T operator()(T a, T b) const { return difference_of(a, b); }
};
template <class T>
struct Mul {
  T operator()(T a, T b) const { return product_of(a, b); }
};
template <class T>
struct Div {
  T operator()(T a, T b) const { return a / b; }
};

// Integer quotients: 0 for a zero divisor, and the lowest value over -1 wraps instead of trapping.
template <class T>
inline T quotient_of(T a, T b) {
  if (b == 0) return 0;
  return b == -1 ? difference_of<T>(0, a) : a / b;
}
template <class T>
inline T rest_of(T a, T b) {
  return b == 0 || b == -1 ? T(0) : a % b;
}

template <class T>
struct TruncDivide {
  T operator()(T a, T b) const {
    if constexpr (is_real<T>)
      return trunc_of(a / b);
    else
      return quotient_of(a, b);
  }
};
template <class T>
struct FloorDivide {
  T operator()(T a, T b) const {
    if constexpr (is_real<T>) {
      // Python's: exact where a / b rounds up to an integer that a has not reached.
      if (b == 0) return a / b;
      const T rest = fmod_of(a, b);
      T quotient = (a - rest) / b;
      if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
      if (quotient == 0) return copysign_of(T(0), a / b);
      const T floor = floor_of(quotient);
      return quotient - floor > T(0.5) ? floor + 1 : floor;
    } else {
      const T rest = rest_of(a, b);
      return quotient_of(a, b) - static_cast<T>(rest != 0 && (rest < 0) != (b < 0));
    }
  }
};
template <class T>
struct Remainder {  // takes the divisor's sign
  T operator()(T a, T b) const {
    if constexpr (is_real<T>) {
      const T rest = fmod_of(a, b);
      return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
    } else {
      const T rest = rest_of(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
  }
};
template <class T>
struct Fmod {  // takes the dividend's sign
  T operator()(T a, T b) const {
    if constexpr (is_real<T>)
      return fmod_of(a, b);
    else
      return rest_of(a, b);
  }
};
template <class T>
struct Copysign {
  T operator()(T a, T b) const { return copysign_of(a, b); }
};
template <class T>
struct MaskScale {  // dropout: the second operand is 0 or 1
  T scale;
  explicit MaskScale(const ElementwiseScalars& s) : scale(scalar_of<T>(s, 0)) {}
  T operator()(T x, T mask) const { return x * (mask * scale); }
};
template <class T>
struct Maximum {
  T operator()(T a, T b) const { return (a != a) | (a > b) ? a : b; }  // a NaN wins
};
template <class T>
struct Minimum {
  T operator()(T a, T b) const { return (a != a) | (a < b) ? a : b; }
};
template <class T>
struct Fmax {
  T operator()(T a, T b) const { return (b != b) | (a > b) ? a : b; }  // a NaN loses
};
template <class T>
struct Fmin {
  T operator()(T a, T b) const { return (b != b) | (a < b) ? a : b; }
};
template <class T>
struct Eq {
  bool operator()(T a, T b) const { return a == b; }
};
template <class T>
struct Ne {
  bool operator()(T a, T b) const { return a != b; }
};
template <class T>
struct Lt {
  bool operator()(T a, T b) const { return a < b; }
};
template <class T>
struct Le {
  bool operator()(T a, T b) const { return a <= b; }
};
template <class T>
struct Gt {
  bool operator()(T a, T b) const { return a > b; }
};
template <class T>
struct Ge {
  bool operator()(T a, T b) const { return a >= b; }
};
template <class T>
struct LogicalAnd {
  bool operator()(T a, T b) const { return (a != 0) & (b != 0); }
};
template <class T>
struct LogicalOr {
  bool operator()(T a, T b) const { return (a != 0) | (b != 0); }
};
template <class T>
struct LogicalXor {
  bool operator()(T a, T b) const { return (a != 0) != (b != 0); }
};
template <class T>
struct BitwiseAnd {
  T operator()(T a, T b) const { return a & b; }
};
template <class T>
struct BitwiseOr {
  T operator()(T a, T b) const { return a | b; }
};
template <class T>
struct BitwiseXor {
  T operator()(T a, T b) const { return a ^ b; }
};
// Shifts by a negative number or by the width and more: nothing is left but the sign of >>.
template <class T>
struct ShiftLeft {
  T width;
  explicit ShiftLeft(const ElementwiseScalars& s) : width(static_cast<T>(s.integer[0])) {}
  T operator()(T a, T b) const { return b < 0 || b >= width ? T(0) : static_cast<T>(Wrap<T>(a) << b); }
};
template <class T>
struct ShiftRight {
  T width;
  explicit ShiftRight(const ElementwiseScalars& s) : width(static_cast<T>(s.integer[0])) {}
  T operator()(T a, T b) const { return a >> (b < 0 || b >= width ? width - 1 : b); }
};

// ---- three operands

template <class T>
struct Where {
  T operator()(uint8_t condition, T a, T b) const { return condition != 0 ? a : b; }
};
template <class T>
struct ClampTensor {
  T operator()(T x, T low, T high) const {  // NaN if any of the three is
    const T raised = x < low ? low : x;
    const T clamped = raised > high ? high : raised;
    const T bounded = low != low ? low : clamped;
    return high != high ? high : bounded;
  }
};
template <class T>
struct Addcmul {
  T factor;
  explicit Addcmul(const ElementwiseScalars& s) : factor(scalar_of<T>(s, 0)) {}
  T operator()(T a, T b, T c) const { return sum_of(a, product_of(product_of(factor, b), c)); }
};
template <class T>
struct Addcdiv {
  T factor;
  explicit Addcdiv(const ElementwiseScalars& s) : factor(scalar_of<T>(s, 0)) {}
  T operator()(T a, T b, T c) const { return a + factor * (b / c); }
};
template <class T>
struct Lerp {
  // Two forms, so that the result is exact at both ends.
  T operator()(T a, T b, T weight) const {
    return abs_of(weight) < T(0.5) ? a + weight * (b - a) : b - (b - a) * (T(1) - weight);
  }
};

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

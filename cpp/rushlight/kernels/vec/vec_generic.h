// The interface of vec.h on 16-byte compiler vectors: any CPU, GCC and Clang.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

template <class T>
struct Mask {
  typedef T Value __attribute__((vector_size(16)));
  using Lanes = decltype(Value{} < Value{});  // integers, all bits set where true
  Lanes lanes;
};

template <class T>
struct Vec {
  typedef T Lanes __attribute__((vector_size(16)));
  static constexpr int64_t kLanes = 16 / static_cast<int64_t>(sizeof(T));
  Lanes lanes;

  Vec() = default;
  explicit Vec(T x) {
    for (int64_t i = 0; i < kLanes; ++i) lanes[i] = x;
  }
  static Vec wrap(Lanes x) {
    Vec v;
    v.lanes = x;
    return v;
  }
  static Vec load(const T* p) {
    Vec v;
    std::memcpy(&v.lanes, p, 16);
    return v;
  }
  static Vec load_partial(const T* p, int64_t n) {
    Vec v(T(0));
    for (int64_t i = 0; i < n; ++i) v.lanes[i] = p[i];
    return v;
  }
  void store(T* p) const { std::memcpy(p, &lanes, 16); }
  void store_partial(T* p, int64_t n) const {
    for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
  }
};

template <class T>
inline Vec<T> operator+(Vec<T> a, Vec<T> b) {
  return Vec<T>::wrap(a.lanes + b.lanes);
}
template <class T>
inline Vec<T> operator-(Vec<T> a, Vec<T> b) {
  return Vec<T>::wrap(a.lanes - b.lanes);
}
template <class T>
inline Vec<T> operator*(Vec<T> a, Vec<T> b) {
  return Vec<T>::wrap(a.lanes * b.lanes);
}
template <class T>
inline Vec<T> operator/(Vec<T> a, Vec<T> b) {
  return Vec<T>::wrap(a.lanes / b.lanes);
}
template <class T>
inline Vec<T> operator-(Vec<T> a) {
  return Vec<T>::wrap(-a.lanes);
}
template <class T>
inline Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) {
  return a * b + c;
}

template <class T>
inline Mask<T> operator<(Vec<T> a, Vec<T> b) {
  return {a.lanes < b.lanes};
}
template <class T>
inline Mask<T> operator<=(Vec<T> a, Vec<T> b) {
  return {a.lanes <= b.lanes};
}
template <class T>
inline Mask<T> operator>(Vec<T> a, Vec<T> b) {
  return {a.lanes > b.lanes};
}
template <class T>
inline Mask<T> operator>=(Vec<T> a, Vec<T> b) {
  return {a.lanes >= b.lanes};
}
template <class T>
inline Mask<T> operator==(Vec<T> a, Vec<T> b) {
  return {a.lanes == b.lanes};
}
template <class T>
inline Mask<T> operator!=(Vec<T> a, Vec<T> b) {
  return {a.lanes != b.lanes};
}
template <class T>
inline Mask<T> operator&(Mask<T> a, Mask<T> b) {
  return {a.lanes & b.lanes};
}
template <class T>
inline Mask<T> operator|(Mask<T> a, Mask<T> b) {
  return {a.lanes | b.lanes};
}
template <class T>
inline Mask<T> operator!(Mask<T> a) {
  return {~a.lanes};
}
template <class T>
inline Vec<T> select(Mask<T> m, Vec<T> a, Vec<T> b) {
  using Bits = typename Mask<T>::Lanes;
  return Vec<T>::wrap(reinterpret_cast<typename Vec<T>::Lanes>((reinterpret_cast<Bits>(a.lanes) & m.lanes) |
                                                               (reinterpret_cast<Bits>(b.lanes) & ~m.lanes)));
}
template <class T>
inline bool any(Mask<T> m) {
  bool found = false;
  for (int64_t i = 0; i < Vec<T>::kLanes; ++i) found |= m.lanes[i] != 0;
  return found;
}
template <class T>
inline Vec<T> min(Vec<T> a, Vec<T> b) {
  return select(a < b, a, b);
}
template <class T>
inline Vec<T> max(Vec<T> a, Vec<T> b) {
  return select(a > b, a, b);
}

template <class T, class F>
inline Vec<T> map_lanes(Vec<T> a, F f) {
  for (int64_t i = 0; i < Vec<T>::kLanes; ++i) a.lanes[i] = f(a.lanes[i]);
  return a;
}
inline Vec<float> abs(Vec<float> a) {
  return map_lanes(a, [](float x) { return __builtin_fabsf(x); });
}
inline Vec<double> abs(Vec<double> a) {
  return map_lanes(a, [](double x) { return __builtin_fabs(x); });
}
inline Vec<float> sqrt(Vec<float> a) {
  return map_lanes(a, [](float x) { return __builtin_sqrtf(x); });
}
inline Vec<double> sqrt(Vec<double> a) {
  return map_lanes(a, [](double x) { return __builtin_sqrt(x); });
}
inline Vec<float> floor(Vec<float> a) {
  return map_lanes(a, [](float x) { return __builtin_floorf(x); });
}
inline Vec<double> floor(Vec<double> a) {
  return map_lanes(a, [](double x) { return __builtin_floor(x); });
}
inline Vec<float> ceil(Vec<float> a) {
  return map_lanes(a, [](float x) { return __builtin_ceilf(x); });
}
inline Vec<double> ceil(Vec<double> a) {
  return map_lanes(a, [](double x) { return __builtin_ceil(x); });
}
inline Vec<float> trunc(Vec<float> a) {
  return map_lanes(a, [](float x) { return __builtin_truncf(x); });
}
inline Vec<double> trunc(Vec<double> a) {
  return map_lanes(a, [](double x) { return __builtin_trunc(x); });
}
inline Vec<float> round(Vec<float> a) {
  return map_lanes(a, [](float x) { return __builtin_nearbyintf(x); });
}
inline Vec<double> round(Vec<double> a) {
  return map_lanes(a, [](double x) { return __builtin_nearbyint(x); });
}

// The lanes of a Vec<float> in double.
struct Doubles {
  Vec<double> low, high;
};

inline Vec<int32_t> to_int(Vec<float> a) {
  Vec<int32_t> r;
  for (int i = 0; i < 4; ++i) r.lanes[i] = static_cast<int32_t>(__builtin_nearbyintf(a.lanes[i]));
  return r;
}
inline Vec<float> to_float(Vec<int32_t> a) {
  Vec<float> r;
  for (int i = 0; i < 4; ++i) r.lanes[i] = static_cast<float>(a.lanes[i]);
  return r;
}
inline Doubles to_doubles(Vec<float> a) {
  Doubles r;
  for (int i = 0; i < 2; ++i) r.low.lanes[i] = a.lanes[i], r.high.lanes[i] = a.lanes[2 + i];
  return r;
}
inline Vec<float> to_float(Doubles a) {
  Vec<float> r;
  for (int i = 0; i < 2; ++i) {
    r.lanes[i] = static_cast<float>(a.low.lanes[i]);
    r.lanes[2 + i] = static_cast<float>(a.high.lanes[i]);
  }
  return r;
}
inline Vec<int32_t> bits(Vec<float> a) {
  return Vec<int32_t>::wrap(reinterpret_cast<Vec<int32_t>::Lanes>(a.lanes));
}
inline Vec<float> from_bits(Vec<int32_t> a) {
  return Vec<float>::wrap(reinterpret_cast<Vec<float>::Lanes>(a.lanes));
}
inline Vec<int32_t> operator&(Vec<int32_t> a, Vec<int32_t> b) {
  return Vec<int32_t>::wrap(a.lanes & b.lanes);
}
inline Vec<int32_t> operator|(Vec<int32_t> a, Vec<int32_t> b) {
  return Vec<int32_t>::wrap(a.lanes | b.lanes);
}
inline Vec<int32_t> operator^(Vec<int32_t> a, Vec<int32_t> b) {
  return Vec<int32_t>::wrap(a.lanes ^ b.lanes);
}
template <int N>
inline Vec<int32_t> shift_left(Vec<int32_t> a) {
  typedef uint32_t Unsigned __attribute__((vector_size(16)));
  return Vec<int32_t>::wrap(reinterpret_cast<Vec<int32_t>::Lanes>(reinterpret_cast<Unsigned>(a.lanes) << N));
}
template <int N>
inline Vec<int32_t> shift_right(Vec<int32_t> a) {
  return Vec<int32_t>::wrap(a.lanes >> N);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

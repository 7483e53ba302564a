// Batch normalisation's loops, one copy per ISA level.
#pragma once

#include "rushlight/kernels/batch_norm/batch_norm_table.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

// Rows or vectors whose sum stays in T before it goes into a double.
constexpr int64_t kShortSum = 16;

// What a loop needs of its channels, in registers: of the vector of channels at c, or of one channel.
template <class T>
struct Lanes {
  using V = Vec<T>;
  V center, scale, shift;

  static Lanes of_row(const T* center, const T* scale, const T* shift, int64_t c, int64_t left) {
    return {load_n(center + c, left), load_n(scale + c, left), load_n(shift + c, left)};
  }
  static Lanes of_channel(const T* center, const T* scale, const T* shift, int64_t c) {
    return {V(center[c]), V(scale[c]), V(shift[c])};
  }
  V operator()(V x) const { return fma(x - center, scale, shift); }
};

// Lanes of a ReLU's gradient: `normal` is what went into it.
template <class T>
Vec<T> gated(Vec<T> grad, Vec<T> normal) {
  const Vec<T> zero(T(0));
  return select(normal <= zero, zero, grad);
}

template <bool kResidual, bool kRelu, class T>
inline void apply_step(const Lanes<T>& lanes, const T* src, const T* residual, T* dst, int64_t left) {
  Vec<T> y = lanes(load_n(src, left));
  if constexpr (kResidual) y = y + load_n(residual, left);
  if constexpr (kRelu) y = max(Vec<T>(T(0)), y);  // NaN and -0 stay
  store_n(dst, y, left);
}

struct Yes {
  static constexpr bool value = true;
};
struct No {
  static constexpr bool value = false;
};

// Calls f with the two flags as compile-time constants.
template <class F>
void with_flags(bool residual, bool relu, F f) {
  if (residual) return relu ? f(Yes{}, Yes{}) : f(Yes{}, No{});
  return relu ? f(No{}, Yes{}) : f(No{}, No{});
}

template <class T>
void apply_rows(const BatchNormCoefficients<T>& k, const T* src, const T* residual, bool relu, T* dst,
                int64_t rows, int64_t channels) {
  with_flags(residual != nullptr, relu, [&](auto with_residual, auto with_relu) {
    for (int64_t at = 0; at < rows * channels; at += channels)
      for (int64_t c = 0; c < channels; c += Vec<T>::kLanes)
        apply_step<decltype(with_residual)::value, decltype(with_relu)::value>(
            Lanes<T>::of_row(k.center, k.scale, k.shift, c, channels - c), src + at + c,
            decltype(with_residual)::value ? residual + at + c : nullptr, dst + at + c, channels - c);
  });
}

template <class T>
void apply_plane(const BatchNormCoefficients<T>& k, int64_t channel, const T* src, const T* residual,
                 bool relu, T* dst, int64_t n) {
  const auto lanes = Lanes<T>::of_channel(k.center, k.scale, k.shift, channel);
  with_flags(residual != nullptr, relu, [&](auto with_residual, auto with_relu) {
    for (int64_t i = 0; i < n; i += Vec<T>::kLanes)
      apply_step<decltype(with_residual)::value, decltype(with_relu)::value>(
          lanes, src + i, decltype(with_residual)::value ? residual + i : nullptr, dst + i, n - i);
  });
}

template <bool kGate, class T>
void backward_all_rows(const BatchNormCoefficients<T>& k, const T* src, const T* grad, T* dst, int64_t rows,
                       int64_t channels) {
  using V = Vec<T>;
  for (int64_t r = 0; r < rows; ++r, src += channels, grad += channels, dst += channels)
    for (int64_t c = 0; c < channels; c += V::kLanes) {
      const int64_t left = channels - c;
      const V x = load_n(src + c, left) - load_n(k.center + c, left);
      const V from_src = fma(x, load_n(k.src_scale + c, left), load_n(k.shift + c, left));
      V g = load_n(grad + c, left);
      if constexpr (kGate)
        g = gated(g, fma(x, load_n(k.gate_scale + c, left), load_n(k.gate_shift + c, left)));
      store_n(dst + c, fma(g, load_n(k.scale + c, left), from_src), left);
    }
}

template <class T>
void backward_rows(const BatchNormCoefficients<T>& k, const T* src, const T* grad, T* dst, int64_t rows,
                   int64_t channels) {
  if (k.gate_scale != nullptr)
    backward_all_rows<true>(k, src, grad, dst, rows, channels);
  else
    backward_all_rows<false>(k, src, grad, dst, rows, channels);
}

template <class T>
void backward_plane(const BatchNormCoefficients<T>& k, int64_t channel, const T* src, const T* grad, T* dst,
                    int64_t n) {
  using V = Vec<T>;
  const bool gate = k.gate_scale != nullptr;
  const V middle(k.center[channel]), factor(k.scale[channel]), offset(k.shift[channel]);
  const V src_factor(k.src_scale[channel]);
  const V gate_factor(gate ? k.gate_scale[channel] : T(0)), gate_offset(gate ? k.gate_shift[channel] : T(1));
  for (int64_t i = 0; i < n; i += V::kLanes) {
    const V x = load_n(src + i, n - i) - middle;
    V g = load_n(grad + i, n - i);
    if (gate) g = gated(g, fma(x, gate_factor, gate_offset));
    store_n(dst + i, fma(g, factor, fma(x, src_factor, offset)), n - i);
  }
}

template <class T>
void add_lanes(Vec<T> v, int64_t count, double* dst) {
  T lanes[Vec<T>::kLanes];
  v.store(lanes);
  for (int64_t l = 0; l < Vec<T>::kLanes && l < count; ++l) dst[l] += static_cast<double>(lanes[l]);
}

// The sums of kVectors vectors of channels from c on: of kShortSum rows, then double.
// double.
template <bool kGate, int kVectors, class T>
void sum_channels(const BatchNormCoefficients<T>& k, const T* src, const T* grad, int64_t rows,
                  int64_t channels, int64_t c, double* sum_grad, double* sum_product) {
  using V = Vec<T>;
  constexpr int64_t kLanes = V::kLanes;
  const int64_t left = channels - c;  // a part of a vector only if kVectors is 1
  V middle[kVectors], gate_factor[kVectors], gate_offset[kVectors];
  for (int u = 0; u < kVectors; ++u) {
    middle[u] = load_n(k.center + c + u * kLanes, left - u * kLanes);
    if constexpr (kGate) {
      gate_factor[u] = load_n(k.gate_scale + c + u * kLanes, left - u * kLanes);
      gate_offset[u] = load_n(k.gate_shift + c + u * kLanes, left - u * kLanes);
    }
  }
  for (int64_t r = 0; r < rows;) {
    V total[kVectors], product[kVectors];
    for (int u = 0; u < kVectors; ++u) total[u] = product[u] = V(T(0));
    const int64_t end = rows - r < kShortSum ? rows : r + kShortSum;
    for (; r < end; ++r)
      for (int u = 0; u < kVectors; ++u) {
        const int64_t at = r * channels + c + u * kLanes;
        const V x = load_n(src + at, left - u * kLanes) - middle[u];
        V g = load_n(grad + at, left - u * kLanes);
        if constexpr (kGate) g = gated(g, fma(x, gate_factor[u], gate_offset[u]));
        total[u] = total[u] + g;
        product[u] = fma(g, x, product[u]);
      }
    for (int u = 0; u < kVectors; ++u) {
      add_lanes(total[u], left - u * kLanes, sum_grad + c + u * kLanes);
      add_lanes(product[u], left - u * kLanes, sum_product + c + u * kLanes);
    }
  }
}

template <bool kGate, class T>
void sum_all_channels(const BatchNormCoefficients<T>& k, const T* src, const T* grad, int64_t rows,
                      int64_t channels, double* sum_grad, double* sum_product) {
  constexpr int kVectors = sizeof(Vec<T>) >= 64 ? 4 : 2;  // as many as there are registers for
  constexpr int64_t kWide = kVectors * Vec<T>::kLanes;
  int64_t c = 0;
  for (; c + kWide <= channels; c += kWide)
    sum_channels<kGate, kVectors>(k, src, grad, rows, channels, c, sum_grad, sum_product);
  for (; c < channels; c += Vec<T>::kLanes)
    sum_channels<kGate, 1>(k, src, grad, rows, channels, c, sum_grad, sum_product);
}

template <class T>
void sum_rows(const BatchNormCoefficients<T>& k, const T* src, const T* grad, int64_t rows, int64_t channels,
              double* sum_grad, double* sum_product) {
  if (k.gate_scale != nullptr)
    sum_all_channels<true>(k, src, grad, rows, channels, sum_grad, sum_product);
  else
    sum_all_channels<false>(k, src, grad, rows, channels, sum_grad, sum_product);
}

template <class T>
void sum_plane(const BatchNormCoefficients<T>& k, int64_t channel, const T* src, const T* grad, int64_t n,
               double* sum_grad, double* sum_product) {
  using V = Vec<T>;
  const bool gate = k.gate_scale != nullptr;
  const V middle(k.center[channel]);
  const V gate_factor(gate ? k.gate_scale[channel] : T(0)), gate_offset(gate ? k.gate_shift[channel] : T(1));
  for (int64_t begin = 0; begin < n; begin += kShortSum * V::kLanes) {
    const int64_t end = n - begin < kShortSum * V::kLanes ? n : begin + kShortSum * V::kLanes;
    V total(T(0)), product(T(0));
    for (int64_t i = begin; i < end; i += V::kLanes) {
      const V x = load_n(src + i, end - i) - middle;
      V g = load_n(grad + i, end - i);  // missing lanes are zero
      if (gate) g = gated(g, fma(x, gate_factor, gate_offset));
      total = total + g;
      product = fma(g, x, product);
    }
    *sum_grad += static_cast<double>(reduce_add(total));
    *sum_product += static_cast<double>(reduce_add(product));
  }
}

template <class T>
constexpr BatchNormTable<T> make_batch_norm_table() {
  return {apply_rows<T>, apply_plane<T>, backward_rows<T>, backward_plane<T>, sum_rows<T>, sum_plane<T>};
}

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

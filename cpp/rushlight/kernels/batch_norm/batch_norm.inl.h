// Batch normalisation's loops, one copy per ISA level.
#pragma once

#include "rushlight/kernels/batch_norm/batch_norm_table.h"
#include "rushlight/kernels/vec/memory.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

// Rows or vectors whose sum stays in T before it goes into a double. The error of a sum is an error of the
// whole channel's gradient, and adds up in the weights of the convolution before it: with 16 twice as large.
constexpr int64_t kShortSum = 4;

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
inline void apply_step(const Lanes<Wide<T>>& lanes, const T* src, const T* residual, T* dst, int64_t left) {
  using V = Vec<Wide<T>>;
  V y = lanes(load_wide(src, left));
  if constexpr (kResidual) y = y + load_wide(residual, left);
  if constexpr (kRelu) y = max(V(0), y);  // NaN and -0 stay
  store_narrow(dst, y, left);
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

// Rows of `channels` elements from dst on can be written past the caches.
template <class T>
bool streams(const T* dst, int64_t channels) {
  return channels % Vec<T>::kLanes == 0 && reinterpret_cast<uintptr_t>(dst) % sizeof(Vec<T>) == 0;
}

// Whole vectors of channels, written past the caches, and what is read fetched ahead of time.
template <bool kResidual, bool kRelu, class T>
void apply_rows_streaming(const BatchNormCoefficients<T>& k, const T* src, const T* residual, T* dst,
                          int64_t rows, int64_t channels) {
  using V = Vec<T>;
  constexpr int64_t kAhead = 1024 / sizeof(T);
  for (int64_t at = 0; at < rows * channels; at += channels)
    for (int64_t c = 0; c < channels; c += V::kLanes) {
      __builtin_prefetch(src + at + c + kAhead, 0, 2);
      if constexpr (kResidual) __builtin_prefetch(residual + at + c + kAhead, 0, 2);
      V y = Lanes<T>::of_row(k.center, k.scale, k.shift, c, V::kLanes)(V::load(src + at + c));
      if constexpr (kResidual) y = y + V::load(residual + at + c);
      if constexpr (kRelu) y = max(V(T(0)), y);
      store_stream(dst + at + c, y);
    }
  stream_end();
}

// Calls step(offset of an element, lanes that are left) for the vectors of `rows` rows; coefficients(c, left)
// makes the step for the channels from c on. Few rows at a time: coefficients are loaded once for them, and
// memory is still read from front to back.
template <class W, class Coefficients>
inline void for_each_vector(int64_t rows, int64_t channels, Coefficients&& coefficients) {
  constexpr int64_t kRows = 4, kLanes = Vec<W>::kLanes;
  const int64_t whole = channels / kLanes * kLanes;
  for (int64_t r = 0; r < rows; r += kRows) {
    const int64_t end = (rows - r < kRows ? rows : r + kRows) * channels;
    for (int64_t c = 0; c < whole; c += kLanes) {
      const auto step = coefficients(c, kLanes);
      for (int64_t at = r * channels + c; at < end; at += channels) step(at, kLanes);
    }
    if (whole == channels) continue;
    const auto step = coefficients(whole, channels - whole);
    for (int64_t at = r * channels + whole; at < end; at += channels) step(at, channels - whole);
  }
}

template <class T>
void apply_rows(const BatchNormCoefficients<Wide<T>>& k, const T* src, const T* residual, bool relu, T* dst,
                int64_t rows, int64_t channels, bool stream) {
  with_flags(residual != nullptr, relu, [&](auto with_residual, auto with_relu) {
    constexpr bool kResidual = decltype(with_residual)::value, kRelu = decltype(with_relu)::value;
    if constexpr (std::is_same_v<T, Wide<T>>) {
      if (stream && streams(dst, channels))
        return apply_rows_streaming<kResidual, kRelu>(k, src, residual, dst, rows, channels);
    }
    for_each_vector<Wide<T>>(rows, channels, [&](int64_t c, int64_t lanes) {
      const auto k_lanes = Lanes<Wide<T>>::of_row(k.center, k.scale, k.shift, c, lanes);
      return [=](int64_t at, int64_t left) {
        apply_step<kResidual, kRelu>(k_lanes, src + at, kResidual ? residual + at : nullptr, dst + at, left);
      };
    });
  });
}

template <class T>
void apply_plane(const BatchNormCoefficients<Wide<T>>& k, int64_t channel, const T* src, const T* residual,
                 bool relu, T* dst, int64_t n) {
  const auto lanes = Lanes<Wide<T>>::of_channel(k.center, k.scale, k.shift, channel);
  with_flags(residual != nullptr, relu, [&](auto with_residual, auto with_relu) {
    for (int64_t i = 0; i < n; i += Vec<Wide<T>>::kLanes)
      apply_step<decltype(with_residual)::value, decltype(with_relu)::value>(
          lanes, src + i, decltype(with_residual)::value ? residual + i : nullptr, dst + i, n - i);
  });
}

template <bool kGate, bool kStream, class T>
void backward_all_rows(const BatchNormCoefficients<Wide<T>>& k, const T* src, const T* grad, T* dst,
                       int64_t rows, int64_t channels) {
  using V = Vec<Wide<T>>;
  for_each_vector<Wide<T>>(rows, channels, [&](int64_t c, int64_t lanes) {
    const V center = load_n(k.center + c, lanes), scale = load_n(k.scale + c, lanes);
    const V src_scale = load_n(k.src_scale + c, lanes), shift = load_n(k.shift + c, lanes);
    const V gate_scale = kGate ? load_n(k.gate_scale + c, lanes) : V(0);
    const V gate_shift = kGate ? load_n(k.gate_shift + c, lanes) : V(0);
    return [=](int64_t at, int64_t left) {
      const V x = load_wide(src + at, left) - center;
      V g = load_wide(grad + at, left);
      if constexpr (kGate) g = gated(g, fma(x, gate_scale, gate_shift));
      const V y = fma(g, scale, fma(x, src_scale, shift));
      if constexpr (kStream)
        store_stream(dst + at, y);
      else
        store_narrow(dst + at, y, left);
    };
  });
  if constexpr (kStream) stream_end();
}

template <class T>
void backward_rows(const BatchNormCoefficients<Wide<T>>& k, const T* src, const T* grad, T* dst, int64_t rows,
                   int64_t channels, bool stream) {
  with_flags(k.gate_scale != nullptr, stream, [&](auto with_gate, auto with_stream) {
    constexpr bool kGate = decltype(with_gate)::value, kStream = decltype(with_stream)::value;
    if constexpr (kStream && std::is_same_v<T, Wide<T>>) {
      if (streams(dst, channels)) return backward_all_rows<kGate, true>(k, src, grad, dst, rows, channels);
    }
    backward_all_rows<kGate, false>(k, src, grad, dst, rows, channels);
  });
}

template <class T>
void backward_plane(const BatchNormCoefficients<Wide<T>>& k, int64_t channel, const T* src, const T* grad,
                    T* dst, int64_t n) {
  using V = Vec<Wide<T>>;
  const bool gate = k.gate_scale != nullptr;
  const V middle(k.center[channel]), factor(k.scale[channel]), offset(k.shift[channel]);
  const V src_factor(k.src_scale[channel]);
  const V gate_factor(gate ? k.gate_scale[channel] : 0), gate_offset(gate ? k.gate_shift[channel] : 1);
  for (int64_t i = 0; i < n; i += V::kLanes) {
    const V x = load_wide(src + i, n - i) - middle;
    V g = load_wide(grad + i, n - i);
    if (gate) g = gated(g, fma(x, gate_factor, gate_offset));
    store_narrow(dst + i, fma(g, factor, fma(x, src_factor, offset)), n - i);
  }
}

// What is summed.
enum class Sums {
  Grad,       // the gradient
  Gated,      // the gradient of a ReLU whose input was the normalised x
  Masked,     // the gradient of a ReLU whose result is known; what passes it is written down
  Deviation,  // x - center itself, for statistics
};

// What the sums need of a vector of channels (or of one channel), in registers.
template <Sums kSums, class T>
struct SumLanes {
  using V = Vec<Wide<T>>;
  V center, gate_scale, gate_shift;

  static SumLanes of_row(const BatchNormCoefficients<Wide<T>>& k, int64_t c, int64_t left) {
    SumLanes lanes;
    lanes.center = load_n(k.center + c, left);
    if constexpr (kSums == Sums::Gated) {
      lanes.gate_scale = load_n(k.gate_scale + c, left);
      lanes.gate_shift = load_n(k.gate_shift + c, left);
    }
    return lanes;
  }
  static SumLanes of_channel(const BatchNormCoefficients<Wide<T>>& k, int64_t c) {
    SumLanes lanes;
    lanes.center = V(k.center[c]);
    if constexpr (kSums == Sums::Gated) {
      lanes.gate_scale = V(k.gate_scale[c]);
      lanes.gate_shift = V(k.gate_shift[c]);
    }
    return lanes;
  }
  // Adds `left` elements at `at`; missing lanes of `grad` are zero.
  void add(const BatchNormTerms<T>& terms, int64_t at, int64_t left, V& total, V& product) const {
    const V x = load_wide(terms.src + at, left) - center;
    V g = x;
    if constexpr (kSums != Sums::Deviation) g = load_wide(terms.grad + at, left);
    if constexpr (kSums == Sums::Gated) g = gated(g, fma(x, gate_scale, gate_shift));
    if constexpr (kSums == Sums::Masked) {
      g = gated(g, load_wide(terms.result + at, left));
      store_narrow(terms.passed + at, g, left);
    }
    total = total + g;
    product = fma(g, x, product);
  }
};

// Rows that prefetches of the sums run ahead.
constexpr int64_t kRowsAhead = 8;

// Adds the sums of kVectors vectors of channels from c on.
template <Sums kSums, int kVectors, class T>
void sum_columns(const BatchNormCoefficients<Wide<T>>& k, const BatchNormTerms<T>& terms, int64_t rows,
                 int64_t channels, int64_t c, double* sum_grad, double* sum_product) {
  using V = Vec<Wide<T>>;
  const int64_t left = kVectors == 1 ? channels - c : kVectors * V::kLanes;
  SumLanes<kSums, T> lanes[kVectors];
  DoubleSums<Wide<T>> totals[kVectors], products[kVectors];
  for (int u = 0; u < kVectors; ++u)
    lanes[u] = SumLanes<kSums, T>::of_row(k, c + u * V::kLanes, left - u * V::kLanes);
  for (int64_t r = 0; r < rows; r += kShortSum) {
    V total[kVectors], product[kVectors];
    for (int u = 0; u < kVectors; ++u) total[u] = product[u] = V(0);
    const int64_t end = rows - r < kShortSum ? rows : r + kShortSum;
    for (int64_t row = r; row < end; ++row) {
      const int64_t at = row * channels + c;
      for (int u = 0; u < kVectors; ++u) {
        __builtin_prefetch(terms.src + at + u * V::kLanes + kRowsAhead * channels);
        if constexpr (kSums != Sums::Deviation)
          __builtin_prefetch(terms.grad + at + u * V::kLanes + kRowsAhead * channels);
        lanes[u].add(terms, at + u * V::kLanes, left - u * V::kLanes, total[u], product[u]);
      }
    }
    for (int u = 0; u < kVectors; ++u) {
      totals[u].add(total[u]);
      products[u].add(product[u]);
    }
  }
  for (int u = 0; u < kVectors; ++u) {
    double values[2][V::kLanes];
    totals[u].store(values[0]);
    products[u].store(values[1]);
    const int64_t at = u * V::kLanes, n = left - at < V::kLanes ? left - at : V::kLanes;
    for (int64_t l = 0; l < n; ++l) {
      sum_grad[c + at + l] += values[0][l];
      sum_product[c + at + l] += values[1][l];
    }
  }
}

template <Sums kSums, class T>
void sum_all_rows(const BatchNormCoefficients<Wide<T>>& k, const BatchNormTerms<T>& terms, int64_t rows,
                  int64_t channels, double* sum_grad, double* sum_product) {
  // As many as there are registers for; a few coefficients of a gate more or less come from the first cache,
  // which is faster than a second pass over the rows.
  constexpr int kVectors = sizeof(Vec<Wide<T>>) >= 64 ? 4 : 2;
  constexpr int64_t kWide = kVectors * Vec<Wide<T>>::kLanes;
  int64_t c = 0;
  for (; c + kWide <= channels; c += kWide)
    sum_columns<kSums, kVectors>(k, terms, rows, channels, c, sum_grad, sum_product);
  for (; c < channels; c += Vec<Wide<T>>::kLanes)
    sum_columns<kSums, 1>(k, terms, rows, channels, c, sum_grad, sum_product);
}

template <class T>
void sum_rows(const BatchNormCoefficients<Wide<T>>& k, const BatchNormTerms<T>& terms, int64_t rows,
              int64_t channels, double* sum_grad, double* sum_product) {
  if (terms.result != nullptr)
    sum_all_rows<Sums::Masked>(k, terms, rows, channels, sum_grad, sum_product);
  else if (k.gate_scale != nullptr)
    sum_all_rows<Sums::Gated>(k, terms, rows, channels, sum_grad, sum_product);
  else
    sum_all_rows<Sums::Grad>(k, terms, rows, channels, sum_grad, sum_product);
}

template <Sums kSums, class T>
void sum_all_plane(const BatchNormCoefficients<Wide<T>>& k, int64_t channel, const BatchNormTerms<T>& terms,
                   int64_t n, double* sum_grad, double* sum_product) {
  using V = Vec<Wide<T>>;
  const auto lanes = SumLanes<kSums, T>::of_channel(k, channel);
  for (int64_t begin = 0; begin < n; begin += kShortSum * V::kLanes) {
    const int64_t end = n - begin < kShortSum * V::kLanes ? n : begin + kShortSum * V::kLanes;
    V total(0), product(0);
    for (int64_t i = begin; i < end; i += V::kLanes) lanes.add(terms, i, end - i, total, product);
    *sum_grad += static_cast<double>(reduce_add(total));
    *sum_product += static_cast<double>(reduce_add(product));
  }
}

template <class T>
void sum_plane(const BatchNormCoefficients<Wide<T>>& k, int64_t channel, const BatchNormTerms<T>& terms,
               int64_t n, double* sum_grad, double* sum_product) {
  if (terms.result != nullptr)
    sum_all_plane<Sums::Masked>(k, channel, terms, n, sum_grad, sum_product);
  else if (k.gate_scale != nullptr)
    sum_all_plane<Sums::Gated>(k, channel, terms, n, sum_grad, sum_product);
  else
    sum_all_plane<Sums::Grad>(k, channel, terms, n, sum_grad, sum_product);
}

// The center is the mean of the first rows: it is one of the elements' own, so that the squares lose at most
// a few bits to a distant mean. Infinite or NaN, it would spoil the sum of the deviations: then it is 0.
template <class T>
void moment_rows(const T* src, int64_t rows, int64_t channels, Wide<T>* center, double* sum,
                 double* square_sum) {
  const int64_t first = rows < kShortSum ? rows : kShortSum;
  for (int64_t c = 0; c < channels; c += Vec<Wide<T>>::kLanes) {
    Vec<Wide<T>> total(0);
    for (int64_t r = 0; r < first; ++r) total = total + load_wide(src + r * channels + c, channels - c);
    store_n(center + c, total, channels - c);
  }
  for (int64_t c = 0; c < channels; ++c) {
    const Wide<T> mean = center[c] / static_cast<Wide<T>>(first);
    center[c] = mean - mean == 0 ? mean : 0;
  }
  const BatchNormCoefficients<Wide<T>> k{center, nullptr, nullptr, nullptr, nullptr, nullptr};
  sum_all_rows<Sums::Deviation>(k, BatchNormTerms<T>{src, nullptr, nullptr, nullptr}, rows, channels, sum,
                                square_sum);
}

template <class T>
constexpr BatchNormTable<T> make_batch_norm_table() {
  return {apply_rows<T>, apply_plane<T>, backward_rows<T>, backward_plane<T>,
          sum_rows<T>,   sum_plane<T>,   moment_rows<T>};
}

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

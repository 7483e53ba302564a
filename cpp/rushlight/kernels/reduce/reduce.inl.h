// Reduction loops, one copy per ISA level. Sums have the same lanes, hence the same bits, at every level.
#pragma once

#include "rushlight/kernels/reduce/reduce_table.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

// Lanes of a row loop: four 512-bit registers.
template <class T>
constexpr int64_t kRowLanes = 256 / static_cast<int64_t>(sizeof(T));
// Each lane adds this many elements in T before the block goes into a double: keeps sums accurate.
constexpr int64_t kBlockSteps = 32;

template <class T>
inline T magnitude_of(T x) {
  return x < 0 ? -x : x;
}
template <class T>
inline Vec<T> magnitude_of(Vec<T> x) {
  return abs(x);
}

// V is an element or a vector of them.
struct Identity {
  template <class V>
  static V map(V x, V) {
    return x;
  }
};
struct Absolute {
  template <class V>
  static V map(V x, V) {
    return magnitude_of(x);
  }
};
struct Square {
  template <class V>
  static V map(V x, V center) {
    return (x - center) * (x - center);
  }
};

// How elements lie in memory: as T, or as 16-bit floats that are widened.
template <class T>
struct Plain {
  using Stored = T;
  static Vec<T> load(const T* p) { return Vec<T>::load(p); }
  static T one(const T* p) { return *p; }
};
template <Vec<float> (*kLoad)(const uint16_t*, int64_t)>
struct Halves {
  using Stored = uint16_t;
  static Vec<float> load(const uint16_t* p) { return kLoad(p, Vec<float>::kLanes); }
  static float one(const uint16_t* p) {
    float lanes[Vec<float>::kLanes];
    kLoad(p, 1).store(lanes);
    return lanes[0];
  }
};

// Adds up `steps` runs of kRowLanes elements, lane by lane.
template <class T, class Map, class Src>
inline void add_steps(const typename Src::Stored* src, int64_t steps, T center, T* lanes) {
  using V = Vec<T>;
  constexpr int64_t kVectors = kRowLanes<T> / V::kLanes;
  const V middle(center);
  V acc[kVectors];
  for (int64_t v = 0; v < kVectors; ++v) acc[v] = Map::map(Src::load(src + v * V::kLanes), middle);
  for (int64_t step = 1; step < steps; ++step) {
    src += kRowLanes<T>;
    for (int64_t v = 0; v < kVectors; ++v) acc[v] = acc[v] + Map::map(Src::load(src + v * V::kLanes), middle);
  }
  for (int64_t v = 0; v < kVectors; ++v) acc[v].store(lanes + v * V::kLanes);
}

template <class T, class Map, class Src = Plain<T>>
double sum_row(const typename Src::Stored* src, int64_t n, T center) {
  constexpr int64_t kWidth = kRowLanes<T>;
  double total = 0.0;
  if (n < kWidth) {
    for (int64_t i = 0; i < n; ++i) total += static_cast<double>(Map::map(Src::one(src + i), center));
    return total;
  }
  double totals[kWidth] = {};
  double lost[kWidth] = {};  // Kahan's correction: blocks of doubles add up as if in twice the precision
  while (n >= kWidth) {
    const int64_t steps = n / kWidth < kBlockSteps ? n / kWidth : kBlockSteps;
    T lanes[kWidth];
    add_steps<T, Map, Src>(src, steps, center, lanes);
    src += steps * kWidth;
    n -= steps * kWidth;
    if constexpr (sizeof(T) == 4) {
      for (int64_t l = 0; l < kWidth; ++l) totals[l] += static_cast<double>(lanes[l]);
    } else {
      for (int64_t l = 0; l < kWidth; ++l) {
        const double block = lanes[l] - lost[l];
        const double next = totals[l] + block;
        lost[l] = next - next == 0.0 ? (next - totals[l]) - block : 0.0;  // no NaN out of infinities
        totals[l] = next;
      }
    }
  }
  for (int64_t l = 0; l < n; ++l) totals[l] += static_cast<double>(Map::map(Src::one(src + l), center));
  for (int64_t half = kWidth / 2; half > 0; half /= 2)
    for (int64_t l = 0; l < half; ++l) totals[l] += totals[l + half];
  return totals[0];
}

template <class T>
double sum(const T* src, int64_t n) {
  return sum_row<T, Identity>(src, n, T(0));
}
template <class T>
double abs_sum(const T* src, int64_t n) {
  return sum_row<T, Absolute>(src, n, T(0));
}
template <class T>
double square_sum(const T* src, int64_t n, T center) {
  return sum_row<T, Square>(src, n, center);
}

// pick: the second operand if either is NaN.
struct Greater {
  template <class T>
  static bool better(T a, T b) {
    return a > b;
  }
  template <class T>
  static Vec<T> pick(Vec<T> a, Vec<T> b) {
    return max(a, b);
  }
  template <class T>
  static T worst() {
    return static_cast<T>(-__builtin_inf());
  }
};
struct Less {
  template <class T>
  static bool better(T a, T b) {
    return a < b;
  }
  template <class T>
  static Vec<T> pick(Vec<T> a, Vec<T> b) {
    return min(a, b);
  }
  template <class T>
  static T worst() {
    return static_cast<T>(__builtin_inf());
  }
};

template <class T>
int64_t find(const T* src, int64_t n, T value) {
  using V = Vec<T>;
  const V wanted(value);
  const bool is_nan = value != value;
  int64_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) {
    const V x = V::load(src + i);
    if (any(is_nan ? x != x : x == wanted)) break;
  }
  while (i < n && !(is_nan ? src[i] != src[i] : src[i] == value)) ++i;
  return i;
}

template <class T, class Order>
T extreme(const T* src, int64_t n) {
  using V = Vec<T>;
  constexpr int64_t kVectors = 4;
  constexpr int64_t kWidth = kVectors * V::kLanes;
  T best = Order::template worst<T>();
  int64_t i = 0;
  if (n >= V::kLanes) {
    V lanes[kVectors];
    for (V& lane : lanes) lane = V(best);
    Mask<T> poisoned = lanes[0] != lanes[0];
    for (; i + kWidth <= n; i += kWidth)
      for (int64_t v = 0; v < kVectors; ++v) {
        const V x = V::load(src + i + v * V::kLanes);
        poisoned = poisoned | (x != x);
        lanes[v] = Order::pick(x, lanes[v]);
      }
    for (; i + V::kLanes <= n; i += V::kLanes) {
      const V x = V::load(src + i);
      poisoned = poisoned | (x != x);
      lanes[0] = Order::pick(x, lanes[0]);
    }
    if (any(poisoned)) return src[find(src, n, static_cast<T>(__builtin_nan("")))];
    T parts[V::kLanes];
    Order::pick(Order::pick(lanes[0], lanes[1]), Order::pick(lanes[2], lanes[3])).store(parts);
    for (const T part : parts)
      if (Order::better(part, best)) best = part;
  }
  for (; i < n; ++i) {
    if (src[i] != src[i]) return src[i];
    if (Order::better(src[i], best)) best = src[i];
  }
  return best;
}

template <class T, class Map>
void sum_columns_mapped(const T* src, int64_t rows, int64_t pitch, int64_t columns, const T* center,
                        double* dst) {
  constexpr int64_t kRows = 16;  // are added in T
  for (int64_t c = 0; c < columns; ++c) dst[c] = 0.0;
  for (int64_t r = 0; r < rows; r += kRows) {
    const int64_t last = rows - r < kRows ? rows : r + kRows;
    T acc[kReducePanel];
    for (int64_t c = 0; c < columns; ++c) acc[c] = Map::map(src[r * pitch + c], center[c]);
    for (int64_t row = r + 1; row < last; ++row)
      for (int64_t c = 0; c < columns; ++c) acc[c] += Map::map(src[row * pitch + c], center[c]);
    for (int64_t c = 0; c < columns; ++c) dst[c] += static_cast<double>(acc[c]);
  }
}

template <class T>
void sum_columns(const T* src, int64_t rows, int64_t pitch, int64_t columns, double* dst) {
  sum_columns_mapped<T, Identity>(src, rows, pitch, columns, src, dst);
}
template <class Src>
double sum_halves(const uint16_t* src, int64_t n) {
  return sum_row<float, Identity, Src>(src, n, 0.0f);
}
// kVectors vectors of columns, `rows` rows added in float.
template <class Src, int kVectors>
inline void add_columns_halves(const uint16_t* src, int64_t rows, int64_t pitch, double* dst) {
  using V = Vec<float>;
  V acc[kVectors];
  for (int u = 0; u < kVectors; ++u) acc[u] = Src::load(src + u * V::kLanes);
  for (int64_t r = 1; r < rows; ++r)
    for (int u = 0; u < kVectors; ++u) acc[u] = acc[u] + Src::load(src + r * pitch + u * V::kLanes);
  float lanes[kVectors * V::kLanes];
  for (int u = 0; u < kVectors; ++u) acc[u].store(lanes + u * V::kLanes);
  for (int64_t l = 0; l < kVectors * V::kLanes; ++l) dst[l] += static_cast<double>(lanes[l]);
}

template <class Src>
void sum_columns_halves(const uint16_t* src, int64_t rows, int64_t pitch, int64_t columns, double* dst) {
  constexpr int64_t kRows = 16;
  constexpr int kVectors = 4;
  constexpr int64_t kLanes = Vec<float>::kLanes;
  for (int64_t c = 0; c < columns; ++c) dst[c] = 0.0;
  for (int64_t r = 0; r < rows; r += kRows) {
    const uint16_t* from = src + r * pitch;
    const int64_t count = rows - r < kRows ? rows - r : kRows;
    int64_t c = 0;
    for (; c + kVectors * kLanes <= columns; c += kVectors * kLanes)
      add_columns_halves<Src, kVectors>(from + c, count, pitch, dst + c);
    for (; c + kLanes <= columns; c += kLanes) add_columns_halves<Src, 1>(from + c, count, pitch, dst + c);
    for (; c < columns; ++c) {
      float acc = Src::one(from + c);
      for (int64_t row = 1; row < count; ++row) acc += Src::one(from + row * pitch + c);
      dst[c] += static_cast<double>(acc);
    }
  }
}

template <class T>
void square_columns(const T* src, int64_t rows, int64_t pitch, int64_t columns, const T* center,
                    double* dst) {
  sum_columns_mapped<T, Square>(src, rows, pitch, columns, center, dst);
}

template <class T, class Order>
void extreme_columns(const T* src, int64_t rows, int64_t pitch, int64_t columns, T* __restrict dst) {
  for (int64_t r = 0; r < rows; ++r, src += pitch)
    for (int64_t c = 0; c < columns; ++c) {
      const T x = src[c];
      dst[c] = Order::better(x, dst[c]) ? x : dst[c];
      dst[c] = x != x ? x : dst[c];  // a NaN is never replaced: no comparison with it holds
    }
}

template <Vec<float> (*kLoad)(const uint16_t*, int64_t)>
constexpr HalfSums make_half_sums() {
  return {sum_halves<Halves<kLoad>>, sum_columns_halves<Halves<kLoad>>};
}

template <class T>
constexpr ReduceTable<T> make_reduce_table() {
  return {sum<T>,  abs_sum<T>,     square_sum<T>,     extreme<T, Greater>,         extreme<T, Less>,
          find<T>, sum_columns<T>, square_columns<T>, extreme_columns<T, Greater>, extreme_columns<T, Less>};
}

}  // namespace

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

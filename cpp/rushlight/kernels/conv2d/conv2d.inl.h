// Register tiles of the convolution, for any level (see Note [ISA translation units]).
#pragma once

#include <cstddef>
#include <cstdint>

#include "rushlight/kernels/conv2d/conv2d.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

// Byte distances of the pixels of a run from its pointer. x86 addresses pointer + index * {1, 2, 4, 8}, so
// three index registers serve a run of seven; the compiler must not turn them into seven pointers.
struct PixelSteps {
  ptrdiff_t one, three, five;
  explicit PixelSteps(ptrdiff_t step) : one(step), three(3 * step), five(5 * step) {
    __asm__("" : "+r"(one), "+r"(three), "+r"(five));
  }
  template <int kPixel>
  ptrdiff_t at() const {
    static_assert(kPixel <= 6, "a run has at most seven pixels");
    if constexpr (kPixel == 0) return 0;
    if constexpr (kPixel == 3) return three;
    if constexpr (kPixel == 5) return five;
    if constexpr (kPixel == 6) return 2 * three;
    return kPixel * one;
  }
};

// sum[run * kLength + pixel] += src[run][pixel] * weights, for the pixels from kPixel on.
template <class T, int kGroups, int kLength, int kVecs, int kPixel = 0>
inline void multiply_pixels(const char* const (&src)[kGroups], const PixelSteps& steps,
                            const Vec<T> (&weight)[kVecs], Vec<T> (&sum)[kGroups * kLength][kVecs]) {
#pragma GCC unroll 8
  for (int g = 0; g < kGroups; ++g) {
    const Vec<T> pixel(*reinterpret_cast<const T*>(src[g] + steps.at<kPixel>()));
#pragma GCC unroll 4
    for (int v = 0; v < kVecs; ++v) {
      Vec<T>& s = sum[g * kLength + kPixel][v];
      s = fma(pixel, weight[v], s);
    }
  }
  if constexpr (kPixel + 1 < kLength)
    multiply_pixels<T, kGroups, kLength, kVecs, kPixel + 1>(src, steps, weight, sum);
}

// Where sums of short chains of products join in memory: kJoined of them become one of the next level, and so
// on. One long chain would err several times as much.
template <class T, int kRows, int kVecs>
class JoinedSums {
 public:
  // Takes the sums, and leaves zeros.
  void join(Vec<T> (&sum)[kRows][kVecs]) {
    int64_t joined = count_++;
    int level = 0;
    for (; level < kLevels - 1 && joined % kJoined == kJoined - 1; ++level, joined /= kJoined)
      add(places_[level], sum);
    if (holds(level, joined)) add(places_[level], sum);
    for_each([&](int i, int v, int64_t at) {
      sum[i][v].store(places_[level] + at);
      sum[i][v] = Vec<T>(T(0));
    });
  }
  // Adds all that joined.
  void finish(Vec<T> (&sum)[kRows][kVecs]) const {
    int64_t joined = count_;
    for (int level = 0; level < kLevels && joined > 0; ++level, joined /= kJoined)
      if (holds(level, joined)) add(places_[level], sum);
  }

 private:
  static constexpr int kLevels = 4;
  static constexpr int64_t kJoined = 4;
  static bool holds(int level, int64_t joined) {
    return level == kLevels - 1 ? joined > 0 : joined % kJoined != 0;
  }
  template <class F>
  static void for_each(F&& f) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < kVecs; ++v) f(i, v, (i * kVecs + v) * Vec<T>::kLanes);
  }
  static void add(const T* place, Vec<T> (&sum)[kRows][kVecs]) {
    for_each([&](int i, int v, int64_t at) { sum[i][v] = Vec<T>::load(place + at) + sum[i][v]; });
  }

  alignas(64) T places_[kLevels][kRows * kVecs * Vec<T>::kLanes];
  int64_t count_ = 0;
};

template <class T, int kGroups, int kLength, int kVecs, int kOutputs>
inline void conv_tile(const ConvBlock<T>& x, const T* const* src, T* const* dst) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  constexpr int kRows = kGroups * kLength;
  const int64_t last = x.columns - (kVecs - 1) * kLanes;
  JoinedSums<T, kRows, kVecs> joined;
  Vec<T> sum[kRows][kVecs];
#pragma GCC unroll 4
  for (int v = 0; v < kVecs; ++v) {
    Vec<T> start(T(0));
    if (const T* bias = x.epilogue.bias; bias != nullptr)
      start = v < kVecs - 1 ? Vec<T>::load(bias + v * kLanes) : load_n(bias + v * kLanes, last);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) sum[i][v] = start;
  }
  const PixelSteps steps(x.src_step * static_cast<ptrdiff_t>(sizeof(T)));
  const T* w = x.weight;
  int64_t left = x.chain;
  for (int64_t t = 0; t < x.taps; ++t) {
    const char* p[kGroups];
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) p[g] = reinterpret_cast<const char*>(src[g] + x.tap_offset[t]);
    for (int64_t c = 0; c < x.channels;) {
      const int64_t count = x.channels - c < left ? x.channels - c : left;
      for (int64_t i = 0; i < count; ++i, w += kOutputs) {
        Vec<T> weight[kVecs];
#pragma GCC unroll 4
        for (int v = 0; v < kVecs; ++v) weight[v] = Vec<T>::load(w + v * kLanes);
        multiply_pixels<T, kGroups, kLength, kVecs>(p, steps, weight, sum);
#pragma GCC unroll 8
        for (int g = 0; g < kGroups; ++g) p[g] += sizeof(T);
      }
      c += count;
      left -= count;
      if (left > 0) continue;
      joined.join(sum);
      left = x.chain;
    }
  }
  joined.finish(sum);
#pragma GCC unroll 8
  for (int g = 0; g < kGroups; ++g)
#pragma GCC unroll 8
    for (int i = 0; i < kLength; ++i) {
      T* out = dst[g] + i * x.dst_step + x.dst_offset;
      const T* residual =
          x.epilogue.residual == nullptr ? nullptr : x.epilogue.residual + (out - x.dst_start);
#pragma GCC unroll 4
      for (int v = 0; v < kVecs; ++v) {
        const int64_t n = v < kVecs - 1 ? kLanes : last;
        Vec<T> value = sum[g * kLength + i][v];
        if (residual != nullptr) value = value + load_n(residual + v * kLanes, n);
        if (x.epilogue.relu) value = max(Vec<T>(T(0)), value);  // keeps NaN
        store_n(out + v * kLanes, value, n);
      }
    }
}

template <class T, int kGroups, int kLength>
inline void conv_block(const ConvBlock<T>& x) {
  constexpr int kOutputs = 2 * static_cast<int>(Vec<T>::kLanes);
  for (int64_t tile = 0; tile < x.tiles; ++tile) {
    const T* const* src = x.src + tile * kGroups;
    T* const* dst = x.dst + tile * kGroups;
    if (x.columns > Vec<T>::kLanes)
      conv_tile<T, kGroups, kLength, 2, kOutputs>(x, src, dst);
    else
      conv_tile<T, kGroups, kLength, 1, kOutputs>(x, src, dst);
  }
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

// Winograd's transforms, for any level (see Note [ISA translation units] and Note [Winograd]).
#pragma once

#include <cstdint>

#include "rushlight/kernels/conv2d/winograd_levels.h"
#include "rushlight/kernels/conv2d/winograd_transforms.inl.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

// The columns are transformed once: the last two of a tile are the first two of the next, and there change
// places.
template <bool kWhole>
inline void source_channels(const WinogradTiles& x, int64_t c, WinogradGuard<4>& guard) {
  V columns[4][4];
  const auto load_column = [&](int64_t col, V(&column)[4]) {
    V pixels[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) pixels[i] = load_pixel<4, kWhole>(x, c, i, col, guard);
    to_frequencies(pixels, column);
  };
#pragma GCC unroll 2
  for (int j = 0; j < 2; ++j) load_column(x.first_col + j, columns[j]);
  for (int64_t t = 0; t < x.tiles; ++t) {
#pragma GCC unroll 2
    for (int j = 2; j < 4; ++j) load_column(x.first_col + 2 * t + j, columns[j]);
    float* dst = x.dst + t * x.pitch + c;
    transform_rows<V, 4, 4, to_frequencies>(
        columns, [&](int i, int j, V value) { value.store(dst + (4 * i + j) * x.plane); });
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) columns[0][i] = columns[2][i], columns[1][i] = columns[3][i];
  }
}

bool winograd_source(const WinogradTiles& x) {
  WinogradGuard<4> guard;
  int64_t c = 0;
  for (; c + V::kLanes <= x.channels; c += V::kLanes) source_channels<true>(x, c, guard);
  if (c < x.channels) source_channels<false>(x, c, guard);
  return guard.safe();
}

template <bool kWhole>
inline void grad_channels(const WinogradTiles& x, int64_t c, WinogradGuard<2>& guard) {
  for (int64_t t = 0; t < x.tiles; ++t) {
    float* dst = x.dst + t * x.pitch + c;
    transform_both<V, 2, 4, grad_to_frequencies>(
        [&](int i, int j) { return load_pixel<2, kWhole>(x, c, i, x.first_col + 2 * t + j, guard); },
        [&](int i, int j, V value) { value.store(dst + (4 * i + j) * x.plane); });
  }
}

bool winograd_grad(const WinogradTiles& x) {
  WinogradGuard<2> guard;
  int64_t c = 0;
  for (; c + V::kLanes <= x.channels; c += V::kLanes) grad_channels<true>(x, c, guard);
  if (c < x.channels) grad_channels<false>(x, c, guard);
  return guard.safe();
}

void winograd_result(const WinogradResults& x) {
  for (int64_t tile = 0; 2 * tile < x.cols; ++tile)
    for (int64_t c = 0; c < x.channels; c += V::kLanes) {
      const int64_t lanes = x.channels - c;
      const float* bias = x.epilogue.bias;
      tile_results(x, tile, c, lanes, bias == nullptr ? V(0.0f) : load_n(bias + c, lanes));
    }
}

bool winograd_weight(const float* taps, int64_t count, float* dst, int64_t plane) {
  WinogradGuard<3> guard;
  for (int64_t at = 0; at < count; at += V::kLanes)
    transform_both<Doubles, 3, 4, taps_to_frequencies>(
        [&](int i, int j) {
          const V tap = V::load(taps + (3 * i + j) * count + at);
          guard.see(i, tap);
          return to_doubles(tap);
        },
        [&](int i, int j, Doubles value) { to_float(value).store(dst + (4 * i + j) * plane + at); });
  return guard.safe();
}

void winograd_grad_weight(float* sums, int64_t count) {
  for (int64_t at = 0; at < count; at += V::kLanes)
    transform_both<V, 4, 3, to_taps>(
        [&](int i, int j) { return V::load(sums + (4 * i + j) * count + at); },
        [&](int i, int j, V tap) { tap.store(sums + (3 * i + j) * count + at); });
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

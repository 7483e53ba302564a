// Winograd's transforms, for any level (see Note [ISA translation units] and Note [Winograd]).
#pragma once

#include <cstdint>

#include "rushlight/kernels/conv2d/winograd_levels.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

using V = Vec<float>;

// One dimension each; `out` may not be `in`.
inline void to_frequencies(const V (&in)[4], V (&out)[4]) {
  out[0] = in[0] - in[2];
  out[1] = in[1] + in[2];
  out[2] = in[2] - in[1];
  out[3] = in[1] - in[3];
}
inline void to_results(const V (&in)[4], V (&out)[2]) {
  out[0] = in[0] + in[1] + in[2];
  out[1] = in[1] - in[2] - in[3];
}
inline void grad_to_frequencies(const V (&in)[2], V (&out)[4]) {
  out[0] = in[0];
  out[1] = in[0] + in[1];
  out[2] = in[0] - in[1];
  out[3] = -in[1];
}
inline void taps_to_frequencies(const V (&in)[3], V (&out)[4]) {
  const V half(0.5f), even = half * (in[0] + in[2]), odd = half * in[1];
  out[0] = in[0];
  out[1] = even + odd;
  out[2] = even - odd;
  out[3] = in[2];
}
inline void to_taps(const V (&in)[4], V (&out)[3]) {
  const V half(0.5f), even = half * (in[1] + in[2]);
  out[0] = in[0] + even;
  out[1] = half * (in[1] - in[2]);
  out[2] = even + in[3];
}

// Finds values beyond the limit, infinities and NaN: all of them stay in a sum of squares.
template <int kCount>
struct WinogradGuard {
  V squares[kCount];
  WinogradGuard() {
    for (V& s : squares) s = V(0.0f);
  }
  void see(int i, V value) { squares[i] = fma(value, value, squares[i]); }
  bool safe() const {
    bool all = true;
    for (const V& s : squares) all = all && reduce_add(s) <= kWinogradLimit * kWinogradLimit;
    return all;
  }
};

// One vector of channels, from c on, of the pixels of a column in kRows rows; kWhole: all lanes exist.
template <int kRows, bool kWhole>
inline void load_column(const WinogradTiles& x, int64_t c, int64_t col, WinogradGuard<kRows>& guard,
                        V (&out)[kRows]) {
  const bool inside = col >= 0 && col < x.cols;
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) {
    if (!inside || x.rows[i] == nullptr) {
      out[i] = V(0.0f);
      continue;
    }
    const float* p = x.rows[i] + col * x.pixel + c;
    out[i] = kWhole ? V::load(p) : V::load_partial(p, x.channels - c);
    guard.see(i, out[i]);
  }
}

inline void store_frequencies(const V (&columns)[4][4], float* dst, int64_t plane) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const V row[4] = {columns[0][i], columns[1][i], columns[2][i], columns[3][i]};
    V out[4];
    to_frequencies(row, out);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) out[j].store(dst + (4 * i + j) * plane);
  }
}

// The columns are transformed once: the last two of a tile are the first two of the next, and there change
// places.
template <bool kWhole>
inline void source_channels(const WinogradTiles& x, int64_t c, WinogradGuard<4>& guard) {
  V columns[4][4], pixels[4];
#pragma GCC unroll 2
  for (int j = 0; j < 2; ++j) {
    load_column<4, kWhole>(x, c, x.first_col + j, guard, pixels);
    to_frequencies(pixels, columns[j]);
  }
  for (int64_t t = 0; t < x.tiles; ++t) {
#pragma GCC unroll 2
    for (int j = 2; j < 4; ++j) {
      load_column<4, kWhole>(x, c, x.first_col + 2 * t + j, guard, pixels);
      to_frequencies(pixels, columns[j]);
    }
    store_frequencies(columns, x.dst + t * x.pitch + c, x.plane);
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
    V columns[2][4];
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      V pixels[2];
      load_column<2, kWhole>(x, c, x.first_col + 2 * t + j, guard, pixels);
      grad_to_frequencies(pixels, columns[j]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const V row[2] = {columns[0][i], columns[1][i]};
      V out[4];
      grad_to_frequencies(row, out);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) out[j].store(x.dst + (4 * i + j) * x.plane + t * x.pitch + c);
    }
  }
}

bool winograd_grad(const WinogradTiles& x) {
  WinogradGuard<2> guard;
  int64_t c = 0;
  for (; c + V::kLanes <= x.channels; c += V::kLanes) grad_channels<true>(x, c, guard);
  if (c < x.channels) grad_channels<false>(x, c, guard);
  return guard.safe();
}

// One vector of channels of one tile; `lanes` of them exist.
inline void tile_results(const WinogradResults& x, int64_t tile, int64_t c, int64_t lanes, V bias) {
  const float* src = x.src + tile * x.pitch + c;
  V columns[4][2];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    V in[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) in[i] = V::load(src + (4 * i + j) * x.plane);
    to_results(in, columns[j]);
  }
  const int64_t cols = x.cols - 2 * tile;
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    if (i >= x.rows) break;
    const V row[4] = {columns[0][i], columns[1][i], columns[2][i], columns[3][i]};
    V out[2];
    to_results(row, out);
    float* dst = x.dst + i * x.row + 2 * tile * x.pixel + c;
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j, dst += x.pixel) {
      if (j >= cols) break;
      V value = out[j] + bias;
      if (const float* residual = x.epilogue.residual; residual != nullptr)
        value = value + load_n(residual + (dst - x.dst_start), lanes);
      if (x.epilogue.relu) value = max(V(0.0f), value);  // keeps NaN
      store_n(dst, value, lanes);
    }
  }
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
  for (int64_t at = 0; at < count; at += V::kLanes) {
    V columns[3][4];
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
      V in[3];
#pragma GCC unroll 3
      for (int i = 0; i < 3; ++i) {
        in[i] = V::load(taps + (3 * i + j) * count + at);
        guard.see(i, in[i]);
      }
      taps_to_frequencies(in, columns[j]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const V row[3] = {columns[0][i], columns[1][i], columns[2][i]};
      V out[4];
      taps_to_frequencies(row, out);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) out[j].store(dst + (4 * i + j) * plane + at);
    }
  }
  return guard.safe();
}

void winograd_grad_weight(float* sums, int64_t count) {
  for (int64_t at = 0; at < count; at += V::kLanes) {
    V columns[4][3];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      V in[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) in[i] = V::load(sums + (4 * i + j) * count + at);
      to_taps(in, columns[j]);
    }
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
      const V row[4] = {columns[0][i], columns[1][i], columns[2][i], columns[3][i]};
      V out[3];
      to_taps(row, out);
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) out[j].store(sums + (3 * i + j) * count + at);
    }
  }
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

// Winograd's transforms of single vectors, for any level (see Note [ISA translation units] and Note
// [Winograd]).
#pragma once

#include <cstdint>

#include "rushlight/kernels/conv2d/winograd_steps.h"
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
inline void to_results(const Doubles (&in)[4], Doubles (&out)[2]) {
  out[0] = in[0] + in[1] + in[2];
  out[1] = in[1] - in[2] - in[3];
}
inline void grad_to_frequencies(const V (&in)[2], V (&out)[4]) {
  out[0] = in[0];
  out[1] = in[0] + in[1];
  out[2] = in[0] - in[1];
  out[3] = -in[1];
}
inline void taps_to_frequencies(const Doubles (&in)[3], Doubles (&out)[4]) {
  const Doubles even = 0.5 * (in[0] + in[2]), odd = 0.5 * in[1];
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

// The second dimension, once the first is done: store(i, j, number).
template <class W, int kIn, int kOut, void (*kStep)(const W (&)[kIn], W (&)[kOut]), class Store>
inline void transform_rows(const W (&columns)[kIn][kOut], Store&& store) {
#pragma GCC unroll 4
  for (int i = 0; i < kOut; ++i) {
    W row[kIn], out[kOut];
#pragma GCC unroll 4
    for (int j = 0; j < kIn; ++j) row[j] = columns[j][i];
    kStep(row, out);
#pragma GCC unroll 4
    for (int j = 0; j < kOut; ++j) store(i, j, out[j]);
  }
}
// Both dimensions of what load(i, j) returns.
template <class W, int kIn, int kOut, void (*kStep)(const W (&)[kIn], W (&)[kOut]), class Load, class Store>
inline void transform_both(Load&& load, Store&& store) {
  W columns[kIn][kOut];
#pragma GCC unroll 4
  for (int j = 0; j < kIn; ++j) {
    W in[kIn];
#pragma GCC unroll 4
    for (int i = 0; i < kIn; ++i) in[i] = load(i, j);
    kStep(in, columns[j]);
  }
  transform_rows<W, kIn, kOut, kStep>(columns, store);
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

// One vector of channels, from c on, of a pixel; kWhole: all lanes exist.
template <int kRows, bool kWhole>
inline V load_pixel(const WinogradTiles& x, int64_t c, int row, int64_t col, WinogradGuard<kRows>& guard) {
  if (col < 0 || col >= x.cols || x.rows[row] == nullptr) return V(0.0f);
  const float* p = x.rows[row] + col * x.pixel + c;
  const V value = kWhole ? V::load(p) : V::load_partial(p, x.channels - c);
  guard.see(row, value);
  return value;
}

// One vector of channels of one tile; `lanes` of them exist.
inline void tile_results(const WinogradResults& x, int64_t tile, int64_t c, int64_t lanes, V bias) {
  const float* src = x.src + tile * x.pitch + c;
  float* const first = x.dst + 2 * tile * x.pixel + c;
  transform_both<Doubles, 4, 2, to_results>(
      [&](int i, int j) { return to_doubles(V::load(src + (4 * i + j) * x.plane)); },
      [&](int i, int j, Doubles sum) {
        if (i >= x.rows || j >= x.cols - 2 * tile) return;
        float* dst = first + i * x.row + j * x.pixel;
        V value = to_float(sum) + bias;
        if (const float* residual = x.epilogue.residual; residual != nullptr)
          value = value + load_n(residual + (dst - x.dst_start), lanes);
        if (x.epilogue.relu) value = max(V(0.0f), value);  // keeps NaN
        store_n(dst, value, lanes);
      });
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

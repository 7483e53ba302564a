// What the level's files do for Winograd's convolution: see Note [Winograd] in winograd.h.
#pragma once

#include <cstdint>

#include "rushlight/kernels/conv2d/conv2d.h"

namespace rushlight::kernels {

constexpr int64_t kFrequencies = 16;  // numbers of a transformed tile, in planes of their own
// Values up to this are transformed; their squares are checked, whose sums stay finite.
constexpr float kWinogradLimit = 1125899906842624.0f;  // 2^50

// Neighbouring tiles of one row of tiles. Tile t becomes the numbers at dst + f * plane + t * pitch, for
// every frequency f.
struct WinogradTiles {
  const float* rows[4];  // column 0 of the image rows read; null: zeros
  int64_t first_col;     // of the first tile; columns outside the image are zeros
  int64_t cols, pixel;   // columns of the image, and their distance
  int64_t channels, tiles;
  float* dst;
  int64_t pitch, plane;
};

// The way back: 2x2 results of each tile, as far as they exist.
struct WinogradResults {
  const float* src;  // as in WinogradTiles
  int64_t pitch, plane, channels;
  float* dst;                    // first pixel of the first tile
  int64_t row, pixel;            // distances
  int64_t rows, cols;            // pixels that exist, from the first tile on; at most 2 rows
  ConvEpilogue<float> epilogue;  // bias of the first channel; the residual that belongs to dst_start
  const float* dst_start;
};

struct WinogradKernel {
  const char* name;
  // Both return false if a value is beyond kWinogradLimit or is not a number.
  bool (*source)(const WinogradTiles&);  // 4x4 pixels, of which the next tile shares two columns
  bool (*grad)(const WinogradTiles&);    // 2x2 pixels of the result's gradient, rows[0] and [1]
  void (*result)(const WinogradResults&);
  // 9 planes of `count` numbers (whole vectors), the taps, to 16 planes; false as above.
  bool (*weight)(const float* taps, int64_t count, float* dst, int64_t plane);
  // 16 planes of `count` numbers to the gradients of 9 taps, which take the place of the first nine.
  void (*grad_weight)(float* sums, int64_t count);
};

}  // namespace rushlight::kernels

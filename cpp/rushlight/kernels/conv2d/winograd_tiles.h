// Winograd's convolution on AMX tiles.
//
// Note [Winograd on tiles]
// Note [Winograd]'s products are split products here (see Note [Split products] in gemm/split.h): sixteen of
// Winograd's tiles are the rows of an AMX tile. A thread walks through blocks of tiles whose numbers stay in
// its L2 cache, one row of frequencies (four of the sixteen) after the other: the weights of a row are then
// read once for a block four times as large. Each row adds its share to the results in memory.
// The vector units transform the source of the next row and the last products back while tiles multiply.
#pragma once

#include "rushlight/kernels/conv2d/conv2d.h"

namespace rushlight::kernels {

template <class T>
struct ConvJob;

// Whether it beats direct products.
bool winograd_tiles_fit(const ConvJob<float>& job);
// Runs it. Returns false if source or weights hold values that it does not serve; then the result is not
// valid.
bool run_winograd_tiles(const ConvJob<float>& job);

constexpr int64_t kWinogradPair = 32;   // tiles multiplied together
constexpr int64_t kWinogradGroup = 64;  // outputs computed before they are transformed back
constexpr int64_t kWinogradRow = 4;     // frequencies of a row
constexpr int64_t kWinogradRun = 4;     // tiles of a WinogradRun
constexpr int64_t kWinogradPlane = kWinogradPair * kWinogradGroup;
constexpr int64_t kWinogradSums = kWinogradRow * kWinogradPlane;

// Neighbouring tiles of a row of tiles.
struct WinogradRun {
  const float* rows[4];  // column 0 of the source rows they read; null: zeros
  int64_t col;           // the first tile's first source column
  int64_t first, count;  // tiles of the block; at most kWinogradRun
};

// Where the 2x2 results of a tile belong, as far as they exist.
struct WinogradPlace {
  float* dst;
  int64_t rows, cols;
};

// Products that are not transformed back yet.
struct WinogradPending {
  const float* sums;
  const WinogradPlace* places;
  int64_t tiles;  // none: nothing is pending
  int64_t output, outputs;
  int row;
};

// Multiplies one row of frequencies of a block; meanwhile transforms the source of the next.
struct WinogradPhase {
  int64_t steps, panels;       // of channels, of outputs
  int64_t cols, pixel;         // of the source
  int64_t dst_row, dst_pixel;  // distances
  ConvEpilogue<float> epilogue;
  const float* dst_start;
  int64_t plane;  // of transformed sources: a frequency's is [sixteen tiles][step][part][16][32]

  int row;  // of frequencies
  int64_t tiles;
  const WinogradPlace* places;
  const uint16_t* source;
  const uint16_t* weights;  // [group][frequency][panel][step][part][two tiles]
  float* sums[2];           // kWinogradSums each: [frequency][tile][output of a group]
  WinogradPending* pending;

  int next_row;
  int64_t next_runs;
  const WinogradRun* runs;
  int64_t ahead_runs;  // of the block after the next, whose source is asked for
  const WinogradRun* ahead;
  uint16_t* next;
};

namespace amx {
// Return false if the source holds what they do not serve. Two or three parts.
bool winograd_phase_2(const WinogradPhase& x);
bool winograd_phase_3(const WinogradPhase& x);
}  // namespace amx

}  // namespace rushlight::kernels

// float32 products on bfloat16 tiles.
//
// Note [Split products]
// x = hi + mid + lo, three bfloat16 numbers that hold its 24 bits. Of the nine products of two such sums six
// matter (the others are below the last bit): hi*hi, hi*mid, mid*hi, mid*mid, hi*lo, lo*hi. Tiles add them up
// in float32, over a limited depth; the partial sums are added in memory. The error is measured not to exceed
// that of float32 FMA. It holds for |x| <= kSplitLimit only: beyond, and for infinities and NaN, products of
// parts overflow with either sign. Packing reports such values, and the blocks they are in are computed by
// FMA, so that results are float32's. Parts below the smallest normal number (of |x| < 2^-110) are lost, as
// products of that size are to FMA when denormals are flushed.
//
// Two parts and three products have about 16 bits, one part and one product the eight of bfloat16: much
// faster, for users who ask for it. Numbers that are bfloat16 in memory are one part as they are; only
// infinities and NaN among them are reported, because tiles multiply them by zeros between the rows.
#pragma once

#include <cstdint>

#include "rushlight/kernels/gemm/gemm.h"
#include "rushlight/kernels/wide.h"

namespace rushlight::kernels {

constexpr float kSplitLimit = 4611686018427387904.0f;  // 2^62
constexpr int64_t kSplitLanes = 32;                    // rows or columns of a panel: two tiles
constexpr int64_t kSplitDepth = 32;                    // steps of k in a tile
// bfloat16 numbers in a part of one step of a panel: [tile][16][32]. A step is its parts one after the other.
constexpr int64_t kSplitPart = kSplitLanes * kSplitDepth;
constexpr int64_t kSplitTile = kSplitPart / 2;

// Most steps to add up in tiles: the largest error of longer sums comes near that of FMA.
constexpr int64_t kSplitChain = 24;

// Steps (of kSplitDepth) that hold k.
constexpr int64_t split_steps(int64_t k) { return (k + kSplitDepth - 1) / kSplitDepth; }

// Packs `lanes` rows of A or columns of B; what is missing to whole tiles becomes zero.
template <class T>
struct SplitPanel {
  int64_t lanes, k;
  const T* src;
  int64_t lane_stride, k_stride;
  uint16_t* dst;  // split_steps(k) steps, aligned to 64 bytes
};

// c_rows[i][column + j] (+)= A B + bias over `steps` steps. Row i of A is row i % 16 of tile i / 16; part q
// of step s of a tile is 16 rows of 32 numbers, a_row bytes apart, from a_tiles[tile] + q * a_part +
// a_step[s] on. Last, what is `residual` at the same distance from c_start is added, and ReLU applied, where
// asked for. With `totals`, room for split_totals(m, n) numbers, tiles add up `chain` steps at a time and
// their sums meet there; without, all steps.
template <class T>
struct SplitBlock {
  int64_t m, n, steps;
  const uint16_t* const* a_tiles;
  int64_t a_row, a_part;
  const int64_t* a_step;
  const uint16_t* b;  // packed panels,
  int64_t b_panel;    // so many numbers apart
  T* const* c_rows;   // m rows; null: the result is dropped
  int64_t column;
  bool accumulate;
  const Wide<T>* bias;  // from the block's first column, or null
  const T* residual = nullptr;
  const T* c_start = nullptr;
  bool relu = false;
  float* totals = nullptr;
  bool stream = false;  // B comes from far away, in this order: ask for what follows a chain in time
  int64_t chain = kSplitChain;
};

// The results of a block in whole tiles.
constexpr int64_t split_totals(int64_t m, int64_t n) {
  return (m + kSplitLanes - 1) / kSplitLanes * ((n + kSplitLanes - 1) / kSplitLanes) * kSplitLanes *
         kSplitLanes;
}

// Builds packed panels of A, one after the other, from split planes: row r, step s, part q is the 32 numbers
// at planes + q * plane + row_offset[r] + step_offset[s].
struct SplitGather {
  int64_t rows, steps;
  const uint16_t* planes;
  int64_t plane;
  const int64_t* row_offset;
  const int64_t* step_offset;
  uint16_t* dst;
};

// Positions (pixels) as pointers to their channels, null for zeros: kSplitDepth of them, one step of a
// product over positions, unless said otherwise.
template <class T>
struct SplitPositions {
  const T* const* src;
  int64_t channels;
  uint16_t* dst;
  int64_t pitch;
};

// Two channels of the weights of a kernel, [output][tap] each (null for zeros): those of tap t become rows of
// pairs, 16 outputs each, at dst[t] + offset and a tile further on, unless dst[t] is null. At most 16 taps.
struct SplitTaps {
  const float* even;
  const float* odd;
  int64_t outputs, taps;
  uint16_t* const* dst;
  int64_t offset;
};

// Runs of numbers, src_step from each other, that are split into planes, `plane` numbers from each other, one
// a part.
template <class T>
struct SplitRuns {
  const T* src;
  int64_t runs, count, src_step;
  uint16_t* dst;
  int64_t dst_step, plane;
};

// Why tiles refuse an op, for trace::note_refused.
constexpr const char* kNotSplit = "tiles: infinities, NaN or values beyond 2^62";
constexpr const char* kNotFinite = "bfloat16 tiles: infinities or NaN";

// For operands and results that are T in memory.
template <class T>
struct SplitKernel {
  const char* gemm_name;  // x6, x3, x1: products of parts
  const char* conv2d_name;
  int64_t parts;  // of a number
  int64_t chain;  // most steps of a block without totals
  void (*block)(const SplitBlock<T>&);
  void (*sum_block)(const SplitBlock<Wide<T>>&);  // the same with results that are not rounded
  // Return false if a value cannot be split.
  bool (*pack_rows)(const SplitPanel<T>&);
  bool (*pack_columns)(const SplitPanel<T>&);
  bool (*split)(const SplitRuns<T>&);
  void (*gather)(const SplitGather&);
  // A: 16 positions become tiles, one step of channels after the other, [part][16][32] each.
  bool (*tile)(const SplitPositions<T>&);
  // B: channels from 32 * i on become the step of a packed panel at dst + i * pitch.
  bool (*pair)(const SplitPositions<T>&);
  // B, for one part of float32: see SplitTaps. May be null.
  bool (*pair_taps)(const SplitTaps&);

  // Numbers in one step of a panel, and of a single tile of A ([part][16][32]).
  int64_t step() const { return parts * kSplitPart; }
  int64_t tile_step() const { return parts * kSplitTile; }
};

// Parts that a float32 number is split into from now on, 1 to 3; three have float32's accuracy.
void set_split_parts(int parts);
int split_parts();
// The kernels for a type in memory. An op takes them once: what one packs only the same can multiply.
template <class T>
const SplitKernel<T>& split_kernel();
// Whether there are tiles for operands in bfloat16, at the level in use.
bool has_bfloat16();
// Those that round float32 to bfloat16: they pack what multiplies with bfloat16 operands.
const SplitKernel<float>& rounding_kernel();

// One product (args.batch is ignored) with strides as in gemm_with. `fallback` computes blocks that hold what
// cannot be split, and false is returned then; none is needed for bfloat16.
template <class T>
using SplitFallback = void (*)(const GemmArgs<T>&);
template <class T>
bool run_split(const SplitKernel<T>& split, SplitFallback<T> fallback, const GemmArgs<T>& args);

}  // namespace rushlight::kernels

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
#pragma once

#include <cstdint>

#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {

constexpr float kSplitLimit = 4611686018427387904.0f;  // 2^62
constexpr int64_t kSplitLanes = 32;                    // rows or columns of a panel: two tiles
constexpr int64_t kSplitDepth = 32;                    // steps of k in a tile
// bfloat16 numbers in one step of a panel: [part][tile][16][32].
constexpr int64_t kSplitStep = 3 * kSplitLanes * kSplitDepth;

// Steps (of kSplitDepth) that hold k.
constexpr int64_t split_steps(int64_t k) { return (k + kSplitDepth - 1) / kSplitDepth; }

// Packs `lanes` rows of A or columns of B; what is missing to whole tiles becomes zero.
struct SplitPanel {
  int64_t lanes, k;
  const float* src;
  int64_t lane_stride, k_stride;
  uint16_t* dst;  // split_steps(k) * kSplitStep, aligned to 64 bytes
};

// c_rows[i][column] (+)= A B + bias over `steps` steps, for packed panels of A and B one after the other.
struct SplitBlock {
  int64_t m, n, steps;
  const uint16_t* a;
  const uint16_t* b;
  float* const* c_rows;  // m rows
  int64_t column;        // the block's first
  bool accumulate;
  const float* bias;  // from the block's first column, or null
};

struct SplitKernel {
  int64_t mc, kc, nc;
  void (*block)(const SplitBlock&);
  // Return false if a value is outside +-kSplitLimit.
  bool (*pack_rows)(const SplitPanel&);
  bool (*pack_columns)(const SplitPanel&);
  // Splits `count` numbers into three planes; false if a value is outside +-kSplitLimit.
  bool (*split)(const float* src, int64_t count, uint16_t* hi, uint16_t* mid, uint16_t* lo);
};

// One product (args.batch is ignored) with strides as in gemm_with.
void run_split(const SplitKernel& split, const GemmKernel<float>& fallback, const GemmArgs<float>& args);

}  // namespace rushlight::kernels

// What the weight gradient does with AMX tiles: see Note [Bands] in grad_weight_split.cpp.
#pragma once

#include <cstdint>

#include "rushlight/kernels/gemm/split.h"

namespace rushlight::kernels {

constexpr int64_t kLanes = 32;                     // positions that one step of a product adds up
constexpr int64_t kLaneTile = 16 * kLanes;         // numbers in a tile
constexpr int64_t kPanelColumns = 32;              // of B: two tiles
constexpr int64_t kSumBlock = 32 * kPanelColumns;  // sums of 2 x 2 tiles

// `count` positions, `step` numbers apart, in each of kLanes lanes; a null lane is zeros. Their channels are
// split into parts; lanes i and i + 16 go side by side.
template <class T>
struct LaneRun {
  const T* const* src;
  int64_t count, step, channels;
  uint16_t* dst;
  int64_t dst_step;  // numbers from one position to the next,
  int64_t pitch;     // turn: from one channel to the next,
  int64_t apart;     // turn: from part to part; pair: from one panel of kPanelColumns channels to the next
};

// sums[i / 32][panel][i % 32][j] (+)= A B over `steps` steps. Row i of part q of A in step s is the kLanes
// numbers at a + q * a_part + a_step[s] + i * kLanes, B [panel][step][part][two tiles] as pair() makes it.
// largest_last: after the small products of all steps, which is slower and errs by a sixth less.
struct LaneProduct {
  int64_t rows, panels, steps;
  const uint16_t* a;
  int64_t a_part;
  const int64_t* a_step;
  const uint16_t* b;
  float* sums;
  bool accumulate, largest_last;
};

// A square of the result, turned around: out[j * pitch + i] = sum over pieces p of rows[i][p * piece + j].
// W: float or bfloat16.
template <class W>
struct LaneResult {
  const float* const* rows;
  int64_t count, columns;  // rows and columns, at most 16
  int64_t pieces, piece;
  W* out;
  int64_t pitch;
};

// For operands that are T in memory.
template <class T>
struct LaneKernel {
  const char* name;
  int64_t parts;                    // of a number
  void (*turn)(const LaneRun<T>&);  // rows of A: channel c at dst + c * pitch
  void (*pair)(const LaneRun<T>&);  // columns of B
  void (*multiply)(const LaneProduct&);
};

// Returns false if the square holds infinities or NaN.
template <class W>
using LaneFinish = bool (*)(const LaneResult<W>&);

namespace amx {
#define RUSHLIGHT_DECLARE_LANES(parts)           \
  void lane_turn_##parts(const LaneRun<float>&); \
  void lane_pair_##parts(const LaneRun<float>&); \
  void lane_multiply_##parts(const LaneProduct&);
RUSHLIGHT_DECLARE_LANES(1)
RUSHLIGHT_DECLARE_LANES(2)
RUSHLIGHT_DECLARE_LANES(3)
#undef RUSHLIGHT_DECLARE_LANES
void lane_turn_bf16(const LaneRun<uint16_t>&);
void lane_pair_bf16(const LaneRun<uint16_t>&);
bool lane_finish(const LaneResult<float>&);
bool lane_finish(const LaneResult<uint16_t>&);
}  // namespace amx

}  // namespace rushlight::kernels

// Declares what gemm_amx.cpp defines, for 1, 2 and 3 parts a number.
#pragma once

#include "rushlight/kernels/gemm/split.h"

namespace rushlight::kernels::amx {

#define RUSHLIGHT_DECLARE_SPLIT(parts)                         \
  void split_block_##parts(const SplitBlock<float>& x);        \
  bool split_pack_rows_##parts(const SplitPanel<float>& x);    \
  bool split_pack_columns_##parts(const SplitPanel<float>& x); \
  bool split_planes_##parts(const SplitRuns<float>& x);        \
  void split_gather_##parts(const SplitGather& x);             \
  bool split_tile_##parts(const SplitPositions<float>& x);     \
  bool split_pair_##parts(const SplitPositions<float>& x);
RUSHLIGHT_DECLARE_SPLIT(1)
RUSHLIGHT_DECLARE_SPLIT(2)
RUSHLIGHT_DECLARE_SPLIT(3)
#undef RUSHLIGHT_DECLARE_SPLIT

// float32 rounded to bfloat16.
bool split_pair_taps(const SplitTaps& x);
// bfloat16 in memory.
void split_block_bf16(const SplitBlock<uint16_t>& x);
bool split_pack_rows_bf16(const SplitPanel<uint16_t>& x);
bool split_pack_columns_bf16(const SplitPanel<uint16_t>& x);
bool split_planes_bf16(const SplitRuns<uint16_t>& x);
bool split_tile_bf16(const SplitPositions<uint16_t>& x);
bool split_pair_bf16(const SplitPositions<uint16_t>& x);

}  // namespace rushlight::kernels::amx

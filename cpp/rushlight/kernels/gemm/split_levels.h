// Declares what gemm_amx.cpp defines, for 1, 2 and 3 parts a number.
#pragma once

#include "rushlight/kernels/gemm/split.h"

namespace rushlight::kernels::amx {

#define RUSHLIGHT_DECLARE_SPLIT(parts)                                                         \
  void split_block_##parts(const SplitBlock& x);                                               \
  bool split_pack_rows_##parts(const SplitPanel& x);                                           \
  bool split_pack_columns_##parts(const SplitPanel& x);                                        \
  bool split_planes_##parts(const float* src, int64_t count, int64_t plane, uint16_t* planes); \
  void split_gather_##parts(const SplitGather& x);                                             \
  bool split_turn_##parts(const SplitPositions& x);                                            \
  bool split_tile_##parts(const SplitPositions& x);                                            \
  bool split_pair_##parts(const SplitPositions& x);
RUSHLIGHT_DECLARE_SPLIT(1)
RUSHLIGHT_DECLARE_SPLIT(2)
RUSHLIGHT_DECLARE_SPLIT(3)
#undef RUSHLIGHT_DECLARE_SPLIT

}  // namespace rushlight::kernels::amx

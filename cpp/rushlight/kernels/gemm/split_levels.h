// Declares what gemm_amx.cpp defines.
#pragma once

#include "rushlight/kernels/gemm/split.h"

namespace rushlight::kernels::amx {

void split_block(const SplitBlock& x);
bool split_pack_rows(const SplitPanel& x);
bool split_pack_columns(const SplitPanel& x);
bool split_planes(const float* src, int64_t count, int64_t plane, uint16_t* planes);
void split_gather(const SplitGather& x);
bool split_tile(const SplitPositions& x);
bool split_turn(const SplitPositions& x);
bool split_pair(const SplitPositions& x);

}  // namespace rushlight::kernels::amx

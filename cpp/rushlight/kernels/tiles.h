// The tile registers of AMX; for ISA translation units only (see Note [ISA translation units]).
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Eight tiles of 16 rows of 64 bytes, for this thread until _tile_release(). With fewer than 32 `rows`, a
// block of 2 x 2 tiles (sums 0 to 3, A in 4 and 5) has that many.
inline void configure_tiles(int64_t rows = 32) {
  TileConfig config;
  const auto upper = static_cast<uint8_t>(rows < 16 ? rows : 16);
  const auto lower = static_cast<uint8_t>(rows <= 16 || rows >= 32 ? 16 : rows - 16);
  config.rows[0] = config.rows[1] = config.rows[4] = upper;
  config.rows[2] = config.rows[3] = config.rows[5] = lower;
  __asm__ volatile("" ::"r"(&config) : "memory");  // GCC 12 drops the stores otherwise
  _tile_loadconfig(&config);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

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

// Eight tiles of 16 rows of 64 bytes, for this thread until _tile_release().
inline void configure_tiles() {
  const TileConfig config;
  __asm__ volatile("" ::"r"(&config) : "memory");  // GCC 12 drops the stores otherwise
  _tile_loadconfig(&config);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

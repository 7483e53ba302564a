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

// A block of 2 x 2 tiles: sums 0 to 3, A in 4 and 5, B in 6 and 7. kTwo: two tiles of rows, else one.
template <bool kTwo>
inline void clear_sums() {
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (kTwo) _tile_zero(2);
  if constexpr (kTwo) _tile_zero(3);
}
template <bool kTwo>
inline void add_products() {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  if constexpr (kTwo) _tile_dpbf16ps(2, 5, 6);
  if constexpr (kTwo) _tile_dpbf16ps(3, 5, 7);
}
// To rows of 32 numbers.
template <bool kTwo>
inline void store_sums(float* sums) {
  _tile_stored(0, sums, 128);
  _tile_stored(1, sums + 16, 128);
  if constexpr (kTwo) _tile_stored(2, sums + 16 * 32, 128);
  if constexpr (kTwo) _tile_stored(3, sums + 16 * 32 + 16, 128);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

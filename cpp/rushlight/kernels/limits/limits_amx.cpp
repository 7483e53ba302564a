#include <immintrin.h>

#include "rushlight/kernels/limits/limits_levels.h"
#include "rushlight/kernels/tiles.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

int64_t tile_burst(int64_t rounds) {
  configure_tiles();
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t r = 0; r < rounds; ++r) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return rounds * 4 * 2 * 16 * 16 * 32;
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

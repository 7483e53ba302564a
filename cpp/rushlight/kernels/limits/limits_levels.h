// Declares what each level's file defines.
#pragma once

#include <cstdint>

// fma_burst: operations done by `rounds` rounds of independent multiply-adds, whose sum goes to *sum so that
// no compiler leaves them out.
#define RUSHLIGHT_DECLARE_LIMITS(level)                                     \
  namespace rushlight::kernels::level {                                     \
  int64_t fma_burst(int64_t rounds, float* sum);                            \
  void stream_triad(float* dst, const float* a, const float* b, int64_t n); \
  float stream_sum(const float* src, int64_t n);                            \
  }
RUSHLIGHT_DECLARE_LIMITS(generic)
RUSHLIGHT_DECLARE_LIMITS(avx2)
RUSHLIGHT_DECLARE_LIMITS(avx512)
#undef RUSHLIGHT_DECLARE_LIMITS

namespace rushlight::kernels::amx {
int64_t tile_burst(int64_t rounds);
}

// The measured loops, one copy per ISA level.
#pragma once

#include "rushlight/kernels/limits/limits_levels.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

int64_t fma_burst(int64_t rounds, float* sum) {
  constexpr int64_t kChains = 12;  // more than latency times units of any core, fewer than registers
  using V = Vec<float>;
  V chain[kChains];
  for (int64_t i = 0; i < kChains; ++i) chain[i] = V(static_cast<float>(i));
  const V scale(0.9999f), shift(0.0001f);  // converges: no overflow, no denormals
  for (int64_t r = 0; r < rounds; ++r)
    for (int64_t i = 0; i < kChains; ++i) chain[i] = fma(chain[i], scale, shift);
  for (int64_t i = 1; i < kChains; ++i) chain[0] = chain[0] + chain[i];
  *sum = reduce_add(chain[0]);
  return 2 * rounds * kChains * V::kLanes;
}

void stream_triad(float* dst, const float* a, const float* b, int64_t n) {
  using V = Vec<float>;
  const V scale(0.5f);
  for (int64_t i = 0; i < n; i += V::kLanes)
    store_n(dst + i, fma(scale, load_n(b + i, n - i), load_n(a + i, n - i)), n - i);
}

float stream_sum(const float* src, int64_t n) {
  using V = Vec<float>;
  V sums[8];
  for (V& sum : sums) sum = V(0.0f);
  for (int64_t i = 0; i < n; i += 8 * V::kLanes)
    for (int64_t j = 0; j < 8; ++j) {
      const int64_t at = i + j * V::kLanes;
      if (at < n) sums[j] = sums[j] + load_n(src + at, n - at);
    }
  for (int64_t j = 1; j < 8; ++j) sums[0] = sums[0] + sums[j];
  return reduce_add(sums[0]);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

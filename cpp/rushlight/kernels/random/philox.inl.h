// One block of Philox4x32-10; for baseline and ISA translation units (isa.h).
#pragma once

#include <cstdint>

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

struct PhiloxBlock {
  uint32_t c0, c1, c2, c3;
};

inline PhiloxBlock philox(uint64_t seed, uint64_t counter, uint32_t attempt) {
  PhiloxBlock c{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), attempt, 0};
  uint32_t k0 = static_cast<uint32_t>(seed);
  uint32_t k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * c.c0;
    const uint64_t b = uint64_t{0xCD9E8D57u} * c.c2;
    c = {static_cast<uint32_t>(b >> 32) ^ c.c1 ^ k0, static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c.c3 ^ k1, static_cast<uint32_t>(a)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

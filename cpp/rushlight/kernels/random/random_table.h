// The loops of random numbers that are compiled per ISA level; their values are the same at every level.
#pragma once

#include <cstdint>

#include "rushlight/kernels/isa.h"

namespace rushlight::kernels {

constexpr int64_t kPhiloxLanes = 128;  // blocks computed together

// Words [word][lane] of neighbouring blocks.
struct PhiloxWords {
  uint32_t word[4][kPhiloxLanes];
};

// Four values a block, or two where they are double; value v of lane l goes to values[l * 4 + v].
struct RandomTable {
  void (*words)(uint64_t seed, uint64_t first, PhiloxWords* out);
  // from + (word >> drop) * step * span
  void (*uniform)(const PhiloxWords& words, int drop, float step, float from, float span, float* values);
  void (*uniform_wide)(const PhiloxWords& words, double low, double width, double* values);
  void (*normal)(const PhiloxWords& words, double mean, double std, float* values);
  void (*normal_wide)(const PhiloxWords& words, double mean, double std, double* values);
  void (*at_most)(const PhiloxWords& words, uint32_t limit, uint8_t* values);  // word <= limit
};

namespace generic {
extern const RandomTable kRandom;
}
namespace avx2 {
extern const RandomTable kRandom;
}
namespace avx512 {
extern const RandomTable kRandom;
}

}  // namespace rushlight::kernels

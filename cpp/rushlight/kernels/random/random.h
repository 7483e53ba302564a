// Random numbers from a counter: element i depends on (seed, offset, i) only, never on threads or on the
// level of the instruction set. The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011): each counter value gives a block of four 32-bit words.
#pragma once

#include <cstdint>

#include "rushlight/base/dtype.h"

namespace rushlight::kernels {

// Where in the sequence of a seed a fill begins, in blocks.
struct PhiloxPosition {
  uint64_t seed;
  uint64_t offset;
};

// The four words of block `counter`; `attempt` numbers redraws.
void philox_block(uint64_t seed, uint64_t counter, uint32_t attempt, uint32_t words[4]);

// Blocks to advance by after filling `count` elements of any type.
constexpr uint64_t philox_blocks(int64_t count) { return (static_cast<uint64_t>(count) + 1) / 2; }

// All fills write `count` dense elements.

// low + u * (high - low) with u in [0, 1): as many random bits as the type's mantissa holds. Floating types.
void fill_uniform(PhiloxPosition position, int64_t count, DType dtype, void* dst, double low, double high);
// Normal distribution (Box and Muller, 1958). Floating types.
void fill_normal(PhiloxPosition position, int64_t count, DType dtype, void* dst, double mean, double std);
// Integers low .. low + range - 1, unbiased; range 0 stands for 2^64. Any type, by conversion from int64.
void fill_integers(PhiloxPosition position, int64_t count, DType dtype, void* dst, int64_t low,
                   uint64_t range);
// 1 with probability p, else 0. Any type.
void fill_bernoulli(PhiloxPosition position, int64_t count, DType dtype, void* dst, double p);
// A random order of 0 .. count - 1 (Fisher-Yates shuffle).
void fill_permutation(PhiloxPosition position, int64_t count, int64_t* dst);

}  // namespace rushlight::kernels

#include "rushlight/kernels/random/random.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "rushlight/base/parallel.h"
#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/kernels/random/random_table.h"
#define RUSHLIGHT_ISA_NS random_baseline
#include "rushlight/kernels/random/philox.inl.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kGrain = 8192;  // blocks of a piece

const RandomTable& table() {
  return *PerIsa<const RandomTable*>{&generic::kRandom, RUSHLIGHT_AVX2(&avx2::kRandom),
                                     RUSHLIGHT_AVX512(&avx512::kRandom), nullptr}
              .at(active_isa());
}

// Calls produce(words, first counter, values) per group of blocks, kPerBlock values a block, then converts to
// dtype.
template <class T, int kPerBlock, class Produce>
void fill(PhiloxPosition position, int64_t count, DType dtype, void* dst, const Produce& produce) {
  constexpr int64_t kGroup = kPhiloxLanes * kPerBlock;
  const bool same_type = dtype == DTypeOf<T>::value;
  const ConvertRun convert = find_convert(DTypeOf<T>::value, dtype);
  const auto size = static_cast<int64_t>(dtype_size(dtype));
  const auto words_of = table().words;
  const int64_t blocks = (count + kPerBlock - 1) / kPerBlock;
  HeavyWork scope(count * 8);
  parallel_for(blocks, kGrain, [&](int64_t begin, int64_t end) {
    PhiloxWords words;
    T values[kGroup];
    for (int64_t block = begin; block < end; block += kPhiloxLanes) {
      const uint64_t counter = position.offset + static_cast<uint64_t>(block);
      words_of(position.seed, counter, &words);
      const int64_t first = block * kPerBlock;
      const int64_t n = std::min(std::min(kPhiloxLanes, end - block) * kPerBlock, count - first);
      char* to = static_cast<char*>(dst) + first * size;
      if (same_type && n == kGroup) {
        produce(words, counter, reinterpret_cast<T*>(to));
        continue;
      }
      produce(words, counter, values);
      convert(n, reinterpret_cast<const char*>(values), sizeof(T), to, size);
    }
  });
}

inline uint64_t wide_word(const PhiloxWords& words, int64_t lane, int which) {
  return uint64_t{words.word[2 * which + 1][lane]} << 32 | words.word[2 * which][lane];
}

int mantissa_bits(DType dtype) {
  switch (dtype) {
    case DType::BFloat16: return 8;
    case DType::Float16: return 11;
    default: return 24;
  }
}

struct Product {
  uint64_t high, low;
};
Product multiply(uint64_t a, uint64_t b) {
#ifdef __SIZEOF_INT128__
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return {static_cast<uint64_t>(product >> 64), static_cast<uint64_t>(product)};
#else
  const uint64_t a_low = static_cast<uint32_t>(a), a_high = a >> 32, b_low = static_cast<uint32_t>(b),
                 b_high = b >> 32;
  const uint64_t low = a_low * b_low;
  const uint64_t middle = a_high * b_low + (low >> 32);
  const uint64_t cross = a_low * b_high + static_cast<uint32_t>(middle);
  return {a_high * b_high + (middle >> 32) + (cross >> 32), cross << 32 | static_cast<uint32_t>(low)};
#endif
}

// A number below `range` from a 64-bit word: the high half of word * range, redrawn where the low half falls
// into the part that would favour some results (Lemire, "Fast random integer generation in an interval",
// 2019).
uint64_t bounded(uint64_t seed, uint64_t counter, int which, uint64_t word, uint64_t range) {
  if (range == 0) return word;
  Product product = multiply(word, range);
  const uint64_t unfair = product.low < range ? (0 - range) % range : 0;
  for (uint32_t attempt = 1; product.low < unfair; ++attempt) {
    uint32_t words[4];
    philox_block(seed, counter, attempt, words);
    product = multiply(uint64_t{words[2 * which + 1]} << 32 | words[2 * which], range);
  }
  return product.high;
}

// Fisher-Yates. The partners of a group are known before its swaps, so that they can be fetched ahead.
template <class Index>
void shuffle(PhiloxPosition position, int64_t count, Index* dst) {
  constexpr int64_t kGroup = 2 * kPhiloxLanes;
  const auto words_of = table().words;
  for (int64_t i = 0; i < count; ++i) dst[i] = static_cast<Index>(i);
  PhiloxWords words;
  int64_t partner[kGroup];
  for (int64_t begin = 0; begin + 1 < count; begin += kGroup) {
    const int64_t size = std::min(kGroup, count - 1 - begin);
    words_of(position.seed, position.offset + static_cast<uint64_t>(begin / 2), &words);
    for (int64_t k = 0; k < size; ++k) {
      const int64_t i = begin + k;
      const int which = static_cast<int>(k % 2);
      const uint64_t ahead = bounded(position.seed, position.offset + static_cast<uint64_t>(i / 2), which,
                                     wide_word(words, k / 2, which), static_cast<uint64_t>(count - i));
      partner[k] = i + static_cast<int64_t>(ahead);
      __builtin_prefetch(dst + partner[k], 1);
    }
    for (int64_t k = 0; k < size; ++k) std::swap(dst[begin + k], dst[partner[k]]);
  }
}

}  // namespace

void philox_block(uint64_t seed, uint64_t counter, uint32_t attempt, uint32_t words[4]) {
  const random_baseline::PhiloxBlock block = random_baseline::philox(seed, counter, attempt);
  words[0] = block.c0;
  words[1] = block.c1;
  words[2] = block.c2;
  words[3] = block.c3;
}

void fill_uniform(PhiloxPosition position, int64_t count, DType dtype, void* dst, double low, double high) {
  const double width = high - low;
  const RandomTable& loops = table();
  if (dtype == DType::Float64) {
    fill<double, 2>(position, count, dtype, dst, [&](const PhiloxWords& words, uint64_t, double* values) {
      loops.uniform_wide(words, low, width, values);
    });
    return;
  }
  const int drop = 32 - mantissa_bits(dtype);
  const float step = 1.0f / static_cast<float>(int64_t{1} << mantissa_bits(dtype));
  fill<float, 4>(position, count, dtype, dst, [&](const PhiloxWords& words, uint64_t, float* values) {
    loops.uniform(words, drop, step, static_cast<float>(low), static_cast<float>(width), values);
  });
}

void fill_normal(PhiloxPosition position, int64_t count, DType dtype, void* dst, double mean, double std) {
  const RandomTable& loops = table();
  if (dtype == DType::Float64) {
    fill<double, 2>(position, count, dtype, dst, [&](const PhiloxWords& words, uint64_t, double* values) {
      loops.normal_wide(words, mean, std, values);
    });
    return;
  }
  fill<float, 4>(position, count, dtype, dst, [&](const PhiloxWords& words, uint64_t, float* values) {
    loops.normal(words, mean, std, values);
  });
}

void fill_integers(PhiloxPosition position, int64_t count, DType dtype, void* dst, int64_t low,
                   uint64_t range) {
  fill<int64_t, 2>(position, count, dtype, dst,
                   [=](const PhiloxWords& words, uint64_t counter, int64_t* values) {
                     for (int64_t lane = 0; lane < kPhiloxLanes; ++lane)
                       for (int j = 0; j < 2; ++j) {
                         const uint64_t drawn = bounded(position.seed, counter + static_cast<uint64_t>(lane),
                                                        j, wide_word(words, lane, j), range);
                         values[lane * 2 + j] = static_cast<int64_t>(static_cast<uint64_t>(low) + drawn);
                       }
                   });
}

void fill_bernoulli(PhiloxPosition position, int64_t count, DType dtype, void* dst, double p) {
  // word / 2^32 < p
  const double above = std::ceil(std::min(p, 1.0) * 0x1p32);
  const auto at_most = table().at_most;
  fill<uint8_t, 4>(position, count, dtype, dst, [=](const PhiloxWords& words, uint64_t, uint8_t* values) {
    if (above > 0)
      at_most(words, static_cast<uint32_t>(above - 1), values);
    else
      std::fill_n(values, 4 * kPhiloxLanes, uint8_t{0});
  });
}

void fill_permutation(PhiloxPosition position, int64_t count, int64_t* dst) {
  if (count > std::numeric_limits<int32_t>::max()) return shuffle(position, count, dst);
  std::vector<int32_t> order(static_cast<size_t>(count));  // half the memory to jump about in
  shuffle(position, count, order.data());
  std::copy(order.begin(), order.end(), dst);
}

}  // namespace rushlight::kernels

#include "rushlight/kernels/random/random.h"

#include <algorithm>
#include <utility>

#include "rushlight/base/parallel.h"
#include "rushlight/kernels/elementwise/convert.h"
// One version for all machines: values must not depend on the level.
#define RUSHLIGHT_ISA_NS random_math
#include "rushlight/kernels/elementwise/fast_math.inl.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kLanes = 128;   // blocks computed together
constexpr int64_t kGrain = 8192;  // blocks of a piece

// Words [word][lane] of the blocks first .. first + kLanes.
struct Words {
  uint32_t word[4][kLanes];
};

void philox_lanes(uint64_t seed, uint64_t first, uint32_t attempt, Words* out) {
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    const uint64_t counter = first + static_cast<uint64_t>(lane);
    uint32_t c0 = static_cast<uint32_t>(counter);
    uint32_t c1 = static_cast<uint32_t>(counter >> 32);
    uint32_t c2 = attempt;
    uint32_t c3 = 0;
    uint32_t k0 = static_cast<uint32_t>(seed);
    uint32_t k1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      const uint64_t a = uint64_t{0xD2511F53u} * c0;
      const uint64_t b = uint64_t{0xCD9E8D57u} * c2;
      c0 = static_cast<uint32_t>(b >> 32) ^ c1 ^ k0;
      c1 = static_cast<uint32_t>(b);
      c2 = static_cast<uint32_t>(a >> 32) ^ c3 ^ k1;
      c3 = static_cast<uint32_t>(a);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    out->word[0][lane] = c0;
    out->word[1][lane] = c1;
    out->word[2][lane] = c2;
    out->word[3][lane] = c3;
  }
}

// Calls produce(words, lane count, values) per group of lanes, kPerBlock values a block, then converts to
// dtype.
template <class T, int kPerBlock, class Produce>
void fill(PhiloxPosition position, int64_t count, DType dtype, void* dst, const Produce& produce) {
  const ConvertRun convert = find_convert(DTypeOf<T>::value, dtype);
  const auto size = static_cast<int64_t>(dtype_size(dtype));
  const int64_t blocks = (count + kPerBlock - 1) / kPerBlock;
  HeavyWork scope(count * 8);
  parallel_for(blocks, kGrain, [&](int64_t begin, int64_t end) {
    Words words;
    T values[kLanes * kPerBlock];
    for (int64_t block = begin; block < end; block += kLanes) {
      philox_lanes(position.seed, position.offset + static_cast<uint64_t>(block), 0, &words);
      produce(words, position.offset + static_cast<uint64_t>(block), values);
      const int64_t first = block * kPerBlock;
      const int64_t n = std::min(std::min(kLanes, end - block) * kPerBlock, count - first);
      convert(n, reinterpret_cast<const char*>(values), sizeof(T), static_cast<char*>(dst) + first * size,
              size);
    }
  });
}

inline uint64_t wide_word(const Words& words, int64_t lane, int which) {
  return uint64_t{words.word[2 * which + 1][lane]} << 32 | words.word[2 * which][lane];
}

int mantissa_bits(DType dtype) {
  switch (dtype) {
    case DType::BFloat16: return 8;
    case DType::Float16: return 11;
    default: return 24;
  }
}

// Two normal values from two words of 32 bits; the first is never 0, so that its logarithm is finite.
inline void box_muller(double first, double second, double* a, double* b) {
  const double radius = random_math::root(-2.0 * random_math::log_(first));
  const random_math::SinCos angle = random_math::sin_cos(2 * random_math::kPi * second);
  const double sin = angle.quadrant & 1 ? angle.cos : angle.sin;
  const double cos = angle.quadrant & 1 ? angle.sin : angle.cos;
  *a = radius * random_math::flip_sign(cos, angle.quadrant + 1);
  *b = radius * random_math::flip_sign(sin, angle.quadrant);
}

struct Product {
  uint64_t high, low;
};
Product multiply(uint64_t a, uint64_t b) {
  const uint64_t a_low = static_cast<uint32_t>(a), a_high = a >> 32, b_low = static_cast<uint32_t>(b),
                 b_high = b >> 32;
  const uint64_t low = a_low * b_low;
  const uint64_t middle = a_high * b_low + (low >> 32);
  const uint64_t cross = a_low * b_high + static_cast<uint32_t>(middle);
  return {a_high * b_high + (middle >> 32) + (cross >> 32), cross << 32 | static_cast<uint32_t>(low)};
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

}  // namespace

void philox_block(uint64_t seed, uint64_t counter, uint32_t attempt, uint32_t words[4]) {
  Words lanes;
  philox_lanes(seed, counter, attempt, &lanes);
  for (int i = 0; i < 4; ++i) words[i] = lanes.word[i][0];
}

void fill_uniform(PhiloxPosition position, int64_t count, DType dtype, void* dst, double low, double high) {
  const double width = high - low;
  if (dtype == DType::Float64) {
    fill<double, 2>(position, count, dtype, dst, [=](const Words& words, uint64_t, double* values) {
      for (int64_t lane = 0; lane < kLanes; ++lane)
        for (int j = 0; j < 2; ++j)
          values[lane * 2 + j] = low + static_cast<double>(wide_word(words, lane, j) >> 11) * 0x1p-53 * width;
    });
    return;
  }
  const int drop = 32 - mantissa_bits(dtype);
  const float step = 1.0f / static_cast<float>(int64_t{1} << mantissa_bits(dtype));
  fill<float, 4>(position, count, dtype, dst,
                 [=, from = static_cast<float>(low), span = static_cast<float>(width)](
                     const Words& words, uint64_t, float* values) {
                   for (int64_t lane = 0; lane < kLanes; ++lane)
                     for (int j = 0; j < 4; ++j)
                       values[lane * 4 + j] =
                           from + static_cast<float>(static_cast<int32_t>(words.word[j][lane] >> drop)) *
                                      step * span;
                 });
}

void fill_normal(PhiloxPosition position, int64_t count, DType dtype, void* dst, double mean, double std) {
  if (dtype == DType::Float64) {
    fill<double, 2>(position, count, dtype, dst, [=](const Words& words, uint64_t, double* values) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        double a, b;
        box_muller((static_cast<double>(wide_word(words, lane, 0) >> 11) + 1) * 0x1p-53,
                   static_cast<double>(wide_word(words, lane, 1) >> 11) * 0x1p-53, &a, &b);
        values[lane * 2] = mean + std * a;
        values[lane * 2 + 1] = mean + std * b;
      }
    });
    return;
  }
  fill<float, 4>(position, count, dtype, dst, [=](const Words& words, uint64_t, float* values) {
    double normal[4][kLanes];
    for (int j = 0; j < 4; j += 2)
      for (int64_t lane = 0; lane < kLanes; ++lane)
        box_muller((static_cast<double>(words.word[j][lane]) + 1) * 0x1p-32,
                   static_cast<double>(words.word[j + 1][lane]) * 0x1p-32, &normal[j][lane],
                   &normal[j + 1][lane]);
    for (int64_t lane = 0; lane < kLanes; ++lane)
      for (int j = 0; j < 4; ++j) values[lane * 4 + j] = static_cast<float>(mean + std * normal[j][lane]);
  });
}

void fill_integers(PhiloxPosition position, int64_t count, DType dtype, void* dst, int64_t low,
                   uint64_t range) {
  fill<int64_t, 2>(position, count, dtype, dst, [=](const Words& words, uint64_t counter, int64_t* values) {
    for (int64_t lane = 0; lane < kLanes; ++lane)
      for (int j = 0; j < 2; ++j) {
        const uint64_t drawn = bounded(position.seed, counter + static_cast<uint64_t>(lane), j,
                                       wide_word(words, lane, j), range);
        values[lane * 2 + j] = static_cast<int64_t>(static_cast<uint64_t>(low) + drawn);
      }
  });
}

void fill_bernoulli(PhiloxPosition position, int64_t count, DType dtype, void* dst, double p) {
  fill<uint8_t, 4>(position, count, dtype, dst, [=](const Words& words, uint64_t, uint8_t* values) {
    for (int64_t lane = 0; lane < kLanes; ++lane)
      for (int j = 0; j < 4; ++j)
        values[lane * 4 + j] = static_cast<uint8_t>(static_cast<double>(words.word[j][lane]) * 0x1p-32 < p);
  });
}

void fill_permutation(PhiloxPosition position, int64_t count, int64_t* dst) {
  for (int64_t i = 0; i < count; ++i) dst[i] = i;
  Words words;
  for (int64_t i = 0; i + 1 < count; ++i) {
    const int64_t lane = i / 2 % kLanes;
    const uint64_t counter = position.offset + static_cast<uint64_t>(i / 2);
    if (i % (2 * kLanes) == 0) philox_lanes(position.seed, counter, 0, &words);
    const int which = static_cast<int>(i % 2);
    const uint64_t ahead = bounded(position.seed, counter, which, wide_word(words, lane, which),
                                   static_cast<uint64_t>(count - i));
    std::swap(dst[i], dst[i + static_cast<int64_t>(ahead)]);
  }
}

}  // namespace rushlight::kernels

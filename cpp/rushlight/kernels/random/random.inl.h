// The whole of random_<level>.cpp. Nothing here may be fused: values must not depend on the level.
#pragma once

#define RUSHLIGHT_UNFUSED
#include "rushlight/kernels/elementwise/fast_math.inl.h"
#include "rushlight/kernels/random/philox.inl.h"
#include "rushlight/kernels/random/random_table.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

void words(uint64_t seed, uint64_t first, PhiloxWords* out) {
  for (int64_t lane = 0; lane < kPhiloxLanes; ++lane) {
    const PhiloxBlock block = philox(seed, first + static_cast<uint64_t>(lane), 0);
    out->word[0][lane] = block.c0;
    out->word[1][lane] = block.c1;
    out->word[2][lane] = block.c2;
    out->word[3][lane] = block.c3;
  }
}

void uniform(const PhiloxWords& words, int drop, float step, float from, float span, float* values) {
  for (int64_t lane = 0; lane < kPhiloxLanes; ++lane)
    for (int j = 0; j < 4; ++j)
      values[lane * 4 + j] =
          from + static_cast<float>(static_cast<int32_t>(words.word[j][lane] >> drop)) * step * span;
}

// The upper 53 bits of words 2 j and 2 j + 1
inline double wide(const PhiloxWords& words, int64_t lane, int j) {
  const uint64_t word = uint64_t{words.word[2 * j + 1][lane]} << 32 | words.word[2 * j][lane];
  return static_cast<double>(static_cast<int64_t>(word >> 11));
}
void uniform_wide(const PhiloxWords& words, double low, double width, double* values) {
  for (int64_t lane = 0; lane < kPhiloxLanes; ++lane)
    for (int j = 0; j < 2; ++j) values[lane * 2 + j] = low + wide(words, lane, j) * 0x1p-53 * width;
}

// Two normal values from two uniform ones; the first is never 0, so that its logarithm is finite.
inline void box_muller(double first, double second, double* a, double* b) {
  const double radius = root(-2.0 * log_(first));
  const SinCos angle = sin_cos(2 * kPi * second);
  const double sin = angle.quadrant & 1 ? angle.cos : angle.sin;
  const double cos = angle.quadrant & 1 ? angle.sin : angle.cos;
  *a = radius * flip_sign(cos, angle.quadrant + 1);
  *b = radius * flip_sign(sin, angle.quadrant);
}

// A word as a number: levels without a conversion of unsigned integers have this one.
inline double number_of(uint32_t word) {
  return static_cast<double>(static_cast<int32_t>(word ^ 0x80000000u)) + 2147483648.0;
}

void normal(const PhiloxWords& words, double mean, double std, float* values) {
  float drawn[4][kPhiloxLanes];
  for (int j = 0; j < 4; j += 2)
    for (int64_t lane = 0; lane < kPhiloxLanes; ++lane) {
      double a, b;
      box_muller((number_of(words.word[j][lane]) + 1) * 0x1p-32, number_of(words.word[j + 1][lane]) * 0x1p-32,
                 &a, &b);
      drawn[j][lane] = static_cast<float>(mean + std * a);
      drawn[j + 1][lane] = static_cast<float>(mean + std * b);
    }
  for (int64_t lane = 0; lane < kPhiloxLanes; ++lane)
    for (int j = 0; j < 4; ++j) values[lane * 4 + j] = drawn[j][lane];
}

void normal_wide(const PhiloxWords& words, double mean, double std, double* values) {
  for (int64_t lane = 0; lane < kPhiloxLanes; ++lane) {
    double a, b;
    box_muller((wide(words, lane, 0) + 1) * 0x1p-53, wide(words, lane, 1) * 0x1p-53, &a, &b);
    values[lane * 2] = mean + std * a;
    values[lane * 2 + 1] = mean + std * b;
  }
}

void at_most(const PhiloxWords& words, uint32_t limit, uint8_t* values) {
  for (int64_t lane = 0; lane < kPhiloxLanes; ++lane)
    for (int j = 0; j < 4; ++j) values[lane * 4 + j] = words.word[j][lane] <= limit ? 1 : 0;
}

}  // namespace

extern constexpr RandomTable kRandom = {words, uniform, uniform_wide, normal, normal_wide, at_most};

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

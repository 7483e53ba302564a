#include "rushlight/kernels/random/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "rushlight/base/cpu.h"
#include "rushlight/base/parallel.h"

namespace rushlight::kernels {
namespace {

// Known answers of the authors' Random123 library for philox4x32-10: counters and keys of zeros.
TEST(Philox, KnownAnswer) {
  uint32_t words[4];
  philox_block(0, 0, 0, words);
  EXPECT_EQ(words[0], 0x6627e8d5u);
  EXPECT_EQ(words[1], 0xe169c58du);
  EXPECT_EQ(words[2], 0xbc57ac4cu);
  EXPECT_EQ(words[3], 0x9b00dbd8u);
}

TEST(Random, SameForAnyThreadCountAndPrefixStable) {
  const int before = num_threads();
  const int64_t count = 100003;
  std::vector<float> one(count), many(count), prefix(777);
  set_num_threads(1);
  fill_normal({42, 5}, count, DType::Float32, one.data(), 0, 1);
  set_num_threads(8);
  fill_normal({42, 5}, count, DType::Float32, many.data(), 0, 1);
  fill_normal({42, 5}, 777, DType::Float32, prefix.data(), 0, 1);
  set_num_threads(before);
  EXPECT_EQ(one, many);
  EXPECT_TRUE(std::equal(prefix.begin(), prefix.end(), one.begin()));
}

// Every kind of draw, as bytes.
std::vector<std::vector<uint8_t>> draws() {
  constexpr int64_t count = 5003;
  std::vector<std::vector<uint8_t>> all;
  const auto add = [&](size_t item, auto&& draw) {
    all.emplace_back(count * item);
    draw(all.back().data());
  };
  for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16, DType::Float16}) {
    add(dtype_size(dtype), [&](void* dst) { fill_uniform({5, 9}, count, dtype, dst, -2, 3); });
    add(dtype_size(dtype), [&](void* dst) { fill_normal({6, 9}, count, dtype, dst, 1, 2); });
  }
  add(8, [](void* dst) { fill_integers({7, 1}, count, DType::Int64, dst, -5, 1000); });
  add(1, [](void* dst) { fill_bernoulli({8, 1}, count, DType::Bool, dst, 0.3); });
  add(8, [](void* dst) { fill_permutation({9, 1}, count, static_cast<int64_t*>(dst)); });
  return all;
}

TEST(Random, SameAtEveryLevel) {
  const Isa before = active_isa();
  set_active_isa(Isa::Generic);
  const auto expected = draws();
  for (int level = 1; level <= static_cast<int>(best_isa()); ++level) {
    set_active_isa(static_cast<Isa>(level));
    EXPECT_TRUE(draws() == expected) << isa_name(static_cast<Isa>(level));
  }
  set_active_isa(before);
}

template <class T>
void expect_moments(const std::vector<T>& values, double mean, double variance) {
  double sum = 0, squares = 0;
  for (const T& value : values) sum += static_cast<double>(value);
  const double got = sum / static_cast<double>(values.size());
  for (const T& value : values) squares += std::pow(static_cast<double>(value) - got, 2);
  const double spread = std::sqrt(variance / static_cast<double>(values.size()));
  EXPECT_NEAR(got, mean, 5 * spread);
  EXPECT_NEAR(squares / static_cast<double>(values.size()), variance, 0.02 * variance);
}

TEST(Random, UniformMoments) {
  std::vector<float> single(200001);
  std::vector<double> wide(200001);
  std::vector<BFloat16> half(200001);
  fill_uniform({1, 0}, 200001, DType::Float32, single.data(), 0, 1);
  fill_uniform({2, 0}, 200001, DType::Float64, wide.data(), -1, 3);
  fill_uniform({3, 0}, 200001, DType::BFloat16, half.data(), 0, 1);
  expect_moments(single, 0.5, 1.0 / 12);
  expect_moments(wide, 1, 16.0 / 12);
  for (const float value : single) ASSERT_TRUE(value >= 0 && value < 1);
  for (const BFloat16 value : half) ASSERT_TRUE(float(value) >= 0 && float(value) < 1);
}

TEST(Random, NormalMoments) {
  std::vector<float> single(200001);
  std::vector<double> wide(200001);
  fill_normal({1, 0}, 200001, DType::Float32, single.data(), 2, 3);
  fill_normal({2, 0}, 200001, DType::Float64, wide.data(), -1, 0.5);
  expect_moments(single, 2, 9);
  expect_moments(wide, -1, 0.25);
  int64_t beyond = 0;
  for (const float value : single) beyond += std::abs(value - 2) > 6;
  EXPECT_NEAR(static_cast<double>(beyond) / 200001, 0.0455, 0.003);
}

TEST(Random, IntegersCoverTheRangeEvenly) {
  std::vector<int64_t> values(60000);
  fill_integers({9, 3}, 60000, DType::Int64, values.data(), -2, 6);
  int64_t counts[6] = {};
  for (const int64_t value : values) {
    ASSERT_TRUE(value >= -2 && value < 4);
    ++counts[value + 2];
  }
  for (const int64_t count : counts) EXPECT_NEAR(static_cast<double>(count), 10000, 500);
  // a range that rejects a third of the words
  fill_integers({9, 3}, 60000, DType::Int64, values.data(), 0, 0xAAAAAAAAAAAAAAAAull);
  int64_t upper = 0;
  for (const int64_t value : values) upper += static_cast<uint64_t>(value) >= 0x5555555555555555ull;
  EXPECT_NEAR(static_cast<double>(upper), 30000, 700);
  std::vector<uint8_t> bytes(1000);
  fill_integers({9, 3}, 1000, DType::UInt8, bytes.data(), 0, 256);
  EXPECT_GT(*std::max_element(bytes.begin(), bytes.end()), 240);
}

TEST(Random, BernoulliAndPermutation) {
  std::vector<uint8_t> mask(100000);
  fill_bernoulli({4, 0}, 100000, DType::Bool, mask.data(), 0.3);
  EXPECT_NEAR(static_cast<double>(std::count(mask.begin(), mask.end(), 1)), 30000, 800);
  fill_bernoulli({4, 0}, 100000, DType::Bool, mask.data(), 1.0);
  EXPECT_EQ(std::count(mask.begin(), mask.end(), 1), 100000);
  std::vector<int64_t> order(1001), sorted(1001);
  fill_permutation({4, 0}, 1001, order.data());
  std::partial_sort_copy(order.begin(), order.end(), sorted.begin(), sorted.end());
  for (int64_t i = 0; i < 1001; ++i) EXPECT_EQ(sorted[static_cast<size_t>(i)], i);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  fill_permutation({4, 0}, 0, nullptr);
}

}  // namespace
}  // namespace rushlight::kernels

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/indexing/indexing.h"

namespace rushlight::kernels {
namespace {

std::vector<float> iota(size_t n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

TEST(Indexing, ReadsRowsWithNegativeIndices) {
  const auto table = iota(12);  // (3, 4)
  const std::vector<int64_t> index{2, -3, 2};
  std::vector<float> out(12, -1.0f);
  index_read({DType::Float32, 3, {{0, 3, 4, index.data()}}, 4, {{4, {1, 1}}}}, table.data(), out.data());
  EXPECT_EQ(out, (std::vector<float>{8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11}));
}

TEST(Indexing, ReadsPairsOfIndicesAndStridedBlocks) {
  const auto table = iota(24);  // (2, 3, 4), indexed in dimensions 0 and 2: the block is dimension 1
  const std::vector<int64_t> first{1, 0};
  const std::vector<int64_t> last{3, -1};
  std::vector<float> out(6);
  index_read({DType::Float32, 2, {{0, 2, 12, first.data()}, {2, 4, 1, last.data()}}, 3, {{3, {4, 1}}}},
             table.data(), out.data());
  EXPECT_EQ(out, (std::vector<float>{15, 19, 23, 3, 7, 11}));
}

TEST(Indexing, LastWriteWinsAndSumsAreOrderedForAnyThreadCount) {
  constexpr int64_t kRows = 5, kColumns = 3000, kCount = 40;
  std::vector<int64_t> index(kCount);
  for (int64_t t = 0; t < kCount; ++t) index[static_cast<size_t>(t)] = t * 7 % kRows - (t % 2) * kRows;
  std::vector<float> values(kCount * kColumns);
  for (size_t i = 0; i < values.size(); ++i) values[i] = 0.1f * static_cast<float>(i % 977);
  const IndexParams params{
      DType::Float32, kCount, {{0, kRows, kColumns, index.data()}}, kColumns, {{kColumns, {1, 1}}}};
  std::vector<float> written(kRows * kColumns, 0.0f), summed(kRows * kColumns, 0.0f),
      expected(kRows * kColumns, 0.0f);
  for (int64_t t = 0; t < kCount; ++t)
    for (int64_t c = 0; c < kColumns; ++c)
      expected[static_cast<size_t>((index[static_cast<size_t>(t)] + kRows) % kRows * kColumns + c)] +=
          values[static_cast<size_t>(t * kColumns + c)];
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    std::fill(summed.begin(), summed.end(), 0.0f);
    index_accumulate(params, summed.data(), values.data());
    EXPECT_EQ(summed, expected);
    index_write(params, written.data(), values.data());
    for (int64_t t = kCount - kRows; t < kCount; ++t)
      EXPECT_EQ(
          written[static_cast<size_t>((index[static_cast<size_t>(t)] + kRows) % kRows * kColumns + 2999)],
          values[static_cast<size_t>(t * kColumns + 2999)]);
  }
}

TEST(Indexing, BroadcastsValuesWithZeroStrides) {
  std::vector<int64_t> table(6, 1);
  const std::vector<int64_t> index{0, 0, 2};
  const int64_t five = 5;
  index_accumulate({DType::Int64, 3, {{0, 3, 2, index.data()}}, 0, {{2, {1, 0}}}}, table.data(), &five);
  EXPECT_EQ(table, (std::vector<int64_t>{11, 11, 1, 1, 6, 6}));
}

TEST(Indexing, RefusesBadIndicesBeforeWriting) {
  std::vector<float> table(6, 1.0f);
  const std::vector<int64_t> index{0, 3};
  const float value = 2.0f;
  try {
    index_write({DType::Float32, 2, {{1, 3, 1, index.data()}}, 0, {{2, {3, 0}}}}, table.data(), &value);
    FAIL();
  } catch (const IndexError& error) {
    EXPECT_STREQ(error.what(), "index 3 is out of bounds for dimension 1 with size 3");
  }
  EXPECT_EQ(table, std::vector<float>(6, 1.0f));
}

TEST(Indexing, GathersAndScattersAlongTheFirstAndLastDimension) {
  const auto table = iota(6);                    // (2, 3)
  const std::vector<int64_t> index{1, 0, 0, 1};  // (2, 2)
  std::vector<float> out(4);
  gather({"gather", DType::Float32, 0, 2, {{2, {3, 2}}, {2, {1, 1}}}, index.data()}, table.data(),
         out.data());
  EXPECT_EQ(out, (std::vector<float>{3, 1, 0, 4}));
  gather({"gather", DType::Float32, 1, 3, {{2, {3, 2}}, {2, {1, 1}}}, index.data()}, table.data(),
         out.data());
  EXPECT_EQ(out, (std::vector<float>{1, 0, 3, 4}));

  const std::vector<int64_t> same{0, 0, 0, 0};
  std::vector<float> target(6, 1.0f);
  const std::vector<float> source{1, 2, 3, 4};
  const GatherParams params{"scatter", DType::Float32, 1, 3, {{2, {3, 2}}, {2, {1, 1}}}, same.data()};
  scatter_reduce(params, ScatterReduce::Sum, target.data(), source.data());
  EXPECT_EQ(target, (std::vector<float>{4, 1, 1, 8, 1, 1}));
  scatter(params, target.data(), source.data());
  EXPECT_EQ(target, (std::vector<float>{2, 1, 1, 4, 1, 1}));
}

TEST(Indexing, GatherRefusesNegativeIndices) {
  const auto table = iota(3);
  const std::vector<int64_t> index{-1};
  float out = 0.0f;
  EXPECT_THROW(gather({"gather", DType::Float32, 0, 3, {{1, {1, 1}}}, index.data()}, table.data(), &out),
               Error);
}

TEST(Indexing, FindsNonzeros) {
  const std::vector<float> values{0.0f, -1.0f, -0.0f, 3.0f};
  ASSERT_EQ(count_nonzero(DType::Float32, values.data(), 4), 2);
  std::vector<int64_t> at(2);
  nonzero(DType::Float32, values.data(), 4, at.data());
  EXPECT_EQ(at, (std::vector<int64_t>{1, 3}));
}

}  // namespace
}  // namespace rushlight::kernels

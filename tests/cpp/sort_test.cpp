#include "rushlight/kernels/sort/sort.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace rushlight::kernels {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Sort, IsStableAndPutsNanLast) {
  const std::vector<float> src{2, kNan, 1, 2, 0};
  std::vector<float> values(5);
  std::vector<int64_t> index(5);
  sort_rows(DType::Float32, 1, 5, false, src.data(), values.data(), index.data());
  EXPECT_EQ(index, (std::vector<int64_t>{4, 2, 0, 3, 1}));
  EXPECT_TRUE(std::isnan(values[4]));
  sort_rows(DType::Float32, 1, 5, true, src.data(), values.data(), index.data());
  EXPECT_EQ(index, (std::vector<int64_t>{1, 0, 3, 2, 4}));
}

TEST(Sort, TopkAndKth) {
  const std::vector<int32_t> src{3, 9, 4, 9, 1, 7, 7, 0};  // two rows of 4
  std::vector<int32_t> values(4);
  std::vector<int64_t> index(4);
  topk_rows(DType::Int32, 2, 4, 2, true, src.data(), values.data(), index.data());
  EXPECT_EQ(values, (std::vector<int32_t>{9, 9, 7, 7}));
  EXPECT_EQ(index, (std::vector<int64_t>{1, 3, 1, 2}));
  topk_rows(DType::Int32, 2, 4, 1, false, src.data(), values.data(), index.data());
  EXPECT_EQ(values[0], 3);
  EXPECT_EQ(values[1], 0);
  kth_rows(DType::Int32, 2, 4, 1, src.data(), values.data(), index.data());
  EXPECT_EQ(values[0], 4);
  EXPECT_EQ(values[1], 1);
}

TEST(Sort, RunningSumsAndProducts) {
  const std::vector<float> src{1, 2, 3, 4, 5, 6};  // (1, 3, 2)
  std::vector<float> dst(6);
  cumulate(false, DType::Float32, 1, 3, 2, src.data(), dst.data());
  EXPECT_EQ(dst, (std::vector<float>{1, 2, 4, 6, 9, 12}));
  cumulate(true, DType::Float32, 2, 3, 1, src.data(), dst.data());
  EXPECT_EQ(dst, (std::vector<float>{1, 2, 6, 4, 20, 120}));
}

}  // namespace
}  // namespace rushlight::kernels

#include "rushlight/kernels/sort/sort.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <type_traits>
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

// Rows with ties, both zeros, infinities and NaN, against the library's stable sort.
template <class T>
void check_orders(int64_t n) {
  constexpr int64_t kRows = 3;
  std::mt19937 random(static_cast<unsigned>(n));
  std::vector<T> src(static_cast<size_t>(kRows * n));
  for (T& x : src) {
    const uint32_t draw = random();
    x = static_cast<T>(static_cast<int>(draw % 2001) - 1000);
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
      const T special[] = {static_cast<T>(-0.0),
                           static_cast<T>(0.0),
                           std::numeric_limits<T>::infinity(),
                           -std::numeric_limits<T>::infinity(),
                           std::numeric_limits<T>::quiet_NaN(),
                           -std::numeric_limits<T>::quiet_NaN()};
      x = draw >> 24 < 6 ? special[draw >> 24] : x / 7;
    }
  }
  const auto less = [](T a, T b) { return a < b || (b != b && a == a); };
  for (const bool descending : {false, true}) {
    std::vector<int64_t> expected;
    for (int64_t row = 0; row < kRows; ++row) {
      std::vector<int64_t> order(static_cast<size_t>(n));
      std::iota(order.begin(), order.end(), 0);
      const T* from = src.data() + row * n;
      std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
        return descending ? less(from[j], from[i]) : less(from[i], from[j]);
      });
      expected.insert(expected.end(), order.begin(), order.end());
    }
    std::vector<T> values(src.size());
    std::vector<int64_t> index(src.size());
    sort_rows(DTypeOf<T>::value, kRows, n, descending, src.data(), values.data(), index.data());
    ASSERT_EQ(index, expected) << n;
    for (const int64_t k : {int64_t{0}, int64_t{1}, n / 20, n / 2, n}) {
      topk_rows(DTypeOf<T>::value, kRows, n, k, descending, src.data(), values.data(), index.data());
      for (int64_t row = 0; row < kRows; ++row)
        for (int64_t i = 0; i < k; ++i)
          ASSERT_EQ(index[static_cast<size_t>(row * k + i)], expected[static_cast<size_t>(row * n + i)])
              << n << " " << k;
    }
    if (descending) continue;
    kth_rows(DTypeOf<T>::value, kRows, n, n / 3, src.data(), values.data(), index.data());
    for (int64_t row = 0; row < kRows; ++row)
      ASSERT_EQ(index[static_cast<size_t>(row)], expected[static_cast<size_t>(row * n + n / 3)]);
  }
}

TEST(Sort, EveryLengthOfEveryKindOfKey) {
  for (const int64_t n : {1, 2, 40, 256, 257, 3000}) {
    check_orders<float>(n);
    check_orders<double>(n);
    check_orders<int64_t>(n);
    check_orders<int32_t>(n);
    check_orders<int8_t>(n);
    check_orders<uint8_t>(n);
  }
}

TEST(Sort, RunningSumsAndProducts) {
  const std::vector<float> src{1, 2, 3, 4, 5, 6};  // (1, 3, 2)
  std::vector<float> dst(6);
  cumulate(false, DType::Float32, 1, 3, 2, src.data(), dst.data());
  EXPECT_EQ(dst, (std::vector<float>{1, 2, 4, 6, 9, 12}));
  cumulate(true, DType::Float32, 2, 3, 1, src.data(), dst.data());
  EXPECT_EQ(dst, (std::vector<float>{1, 2, 6, 4, 20, 120}));
  // more rows and columns than are taken at a time, with rests
  const int64_t outer = 7, n = 5;
  for (const int64_t inner : {1, 3, 300}) {
    std::vector<int64_t> in(static_cast<size_t>(outer * n * inner)), out(in.size());
    for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<int64_t>(i * i % 101);
    cumulate(false, DType::Int64, outer, n, inner, in.data(), out.data());
    for (int64_t at = 0; at < static_cast<int64_t>(in.size()); ++at) {
      const bool first = at / inner % n == 0;
      ASSERT_EQ(out[static_cast<size_t>(at)],
                in[static_cast<size_t>(at)] + (first ? 0 : out[static_cast<size_t>(at - inner)]));
    }
  }
}

}  // namespace
}  // namespace rushlight::kernels

#include "rushlight/kernels/reduce/reduce.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "everywhere.h"

namespace rushlight::kernels {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();

using testing_tools::everywhere;
using testing_tools::normal;

// (outer, reduced, inner) contiguous, the middle dimension reduced: rows for inner = 1, columns otherwise.
ReduceLayout middle(int64_t outer, int64_t reduced, int64_t inner) {
  return {{{outer, {reduced * inner}}, {inner, {1}}}, {{reduced, {inner}}}};
}

struct Shape {
  int64_t outer, reduced, inner;
};
const Shape kShapes[] = {{1, 1, 1},   {1, 63, 1},    {3, 257, 1},   {1, 200003, 1}, {2, 3, 5},
                         {1, 300, 4}, {1, 5000, 65}, {2, 129, 300}, {7, 2, 1},      {1, 70000, 3}};

template <class Visit>
void for_each_output(const Shape& s, Visit&& visit) {
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t i = 0; i < s.inner; ++i)
      visit(o * s.inner + i,
            [=](int64_t r) { return static_cast<size_t>((o * s.reduced + r) * s.inner + i); });
}

TEST(Reduce, SumsAreAccurateAndTheSameForAnyThreadCount) {
  for (const Shape& s : kShapes) {
    const auto src = normal(s.outer * s.reduced * s.inner, 1.0f);
    std::vector<float> first;
    Isa level = best_isa();
    everywhere([&] {
      std::vector<float> dst(static_cast<size_t>(s.outer * s.inner));
      reduce(ReduceOp::Sum, DType::Float32, middle(s.outer, s.reduced, s.inner), src.data(), dst.data());
      for_each_output(s, [&](int64_t output, auto at) {
        double expected = 0.0, magnitude = 0.0;
        for (int64_t r = 0; r < s.reduced; ++r) {
          expected += static_cast<double>(src[at(r)]);
          magnitude += std::abs(static_cast<double>(src[at(r)]));
        }
        EXPECT_NEAR(dst[static_cast<size_t>(output)], expected,
                    2e-6 * std::sqrt(magnitude) + 1e-6 * std::abs(expected));
      });
      if (level != active_isa()) first = dst;
      level = active_isa();
      EXPECT_EQ(dst, first);
    });
  }
}

TEST(Reduce, MaxPositionsAndVariancesMatchPlainLoops) {
  for (const Shape& s : kShapes) {
    const auto src = normal(s.outer * s.reduced * s.inner, 100.0f);
    const auto layout = middle(s.outer, s.reduced, s.inner);
    const size_t outputs = static_cast<size_t>(s.outer * s.inner);
    everywhere([&] {
      std::vector<float> largest(outputs), smallest(outputs), var(outputs), mean(outputs), values(outputs);
      std::vector<int64_t> where(outputs);
      reduce(ReduceOp::Max, DType::Float32, layout, src.data(), largest.data());
      reduce(ReduceOp::Min, DType::Float32, layout, src.data(), smallest.data());
      reduce_arg(true, DType::Float32, layout, src.data(), values.data(), where.data());
      reduce_var(0.0, false, DType::Float32, layout, src.data(), var.data(), mean.data());
      for_each_output(s, [&](int64_t output, auto at) {
        const auto o = static_cast<size_t>(output);
        int64_t best = 0;
        float low = src[at(0)];
        double total = 0.0, squares = 0.0;
        for (int64_t r = 0; r < s.reduced; ++r) {
          if (src[at(r)] > src[at(best)]) best = r;
          low = std::min(low, src[at(r)]);
          total += static_cast<double>(src[at(r)]);
        }
        total /= static_cast<double>(s.reduced);
        for (int64_t r = 0; r < s.reduced; ++r)
          squares += std::pow(static_cast<double>(src[at(r)]) - total, 2);
        EXPECT_EQ(largest[o], src[at(best)]);
        EXPECT_EQ(values[o], src[at(best)]);
        EXPECT_EQ(where[o], best);
        EXPECT_EQ(smallest[o], low);
        EXPECT_NEAR(mean[o], total, 2e-5);
        EXPECT_NEAR(var[o], squares / static_cast<double>(s.reduced),
                    1e-6 + 1e-5 * squares / static_cast<double>(s.reduced));
      });
    });
  }
}

TEST(Reduce, NanWinsAndTheFirstOneIsFound) {
  for (const int64_t n : {5, 64, 300}) {
    std::vector<float> src(static_cast<size_t>(n), 1.0f);
    src[static_cast<size_t>(n - 1)] = kNan;
    src[static_cast<size_t>(n - 3)] = kNan;
    everywhere([&] {
      float value = 0.0f;
      int64_t index = -1;
      reduce(ReduceOp::Max, DType::Float32, middle(1, n, 1), src.data(), &value);
      EXPECT_TRUE(std::isnan(value));
      reduce_arg(false, DType::Float32, middle(1, n, 1), src.data(), &value, &index);
      EXPECT_TRUE(std::isnan(value));
      EXPECT_EQ(index, n - 3);
    });
  }
  const std::vector<float> columns{1, kNan, 3, 4, kNan, 6, 7, 8};  // (2, 4)
  std::vector<float> dst(4);
  reduce(ReduceOp::Max, DType::Float32, middle(1, 2, 4), columns.data(), dst.data());
  EXPECT_TRUE(std::isnan(dst[0]) && std::isnan(dst[1]));
  EXPECT_EQ(dst[2], 7.0f);
}

TEST(Reduce, EqualMaximaGiveTheFirstPosition) {
  const std::vector<float> src(100, 2.0f);
  int64_t index = -1;
  reduce_arg(true, DType::Float32, middle(1, 100, 1), src.data(), nullptr, &index);
  EXPECT_EQ(index, 0);
}

TEST(Reduce, InfinitiesSumToInfinityAndMixToNan) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const int64_t n : {3, 20, 5000}) {
    std::vector<float> src(static_cast<size_t>(n), 1.0f);
    src[1] = infinity;
    float value = 0.0f;
    reduce(ReduceOp::Sum, DType::Float32, middle(1, n, 1), src.data(), &value);
    EXPECT_EQ(value, infinity);
    src[2] = -infinity;
    reduce(ReduceOp::Sum, DType::Float32, middle(1, n, 1), src.data(), &value);
    EXPECT_TRUE(std::isnan(value));
  }
}

TEST(Reduce, EmptyReductionsGiveTheIdentity) {
  float value = 7.0f;
  reduce(ReduceOp::Sum, DType::Float32, middle(1, 0, 1), nullptr, &value);
  EXPECT_EQ(value, 0.0f);
  reduce(ReduceOp::Prod, DType::Float32, middle(1, 0, 1), nullptr, &value);
  EXPECT_EQ(value, 1.0f);
  reduce(ReduceOp::Mean, DType::Float32, middle(1, 0, 1), nullptr, &value);
  EXPECT_TRUE(std::isnan(value));
  reduce_var(1.0, false, DType::Float32, middle(1, 1, 1), &value, &value, nullptr);
  EXPECT_TRUE(std::isnan(value));
}

TEST(Reduce, IntegersSumToInt64AndQuantifiersToBool) {
  const std::vector<uint8_t> src(1000, 200);
  int64_t total = 0;
  reduce(ReduceOp::Sum, DType::UInt8, middle(1, 1000, 1), src.data(), &total);
  EXPECT_EQ(total, 200000);
  bool flag = false;
  reduce(ReduceOp::All, DType::UInt8, middle(1, 1000, 1), src.data(), &flag);
  EXPECT_TRUE(flag);
  reduce(ReduceOp::Any, DType::UInt8, middle(1, 0, 1), src.data(), &flag);
  EXPECT_FALSE(flag);
}

// Pieces of a quantifier end at the same time on several threads: none may undo what its neighbour wrote.
TEST(Reduce, QuantifiersOfLongRowsOnManyThreads) {
  const int before = num_threads();
  set_num_threads(4);
  const int64_t n = 1 << 20;
  const std::vector<uint8_t> ones(static_cast<size_t>(n), 1), zeros(static_cast<size_t>(n), 0);
  const ReduceLayout layout{{}, {{n, {1}}}};
  for (int repeat = 0; repeat < 300; ++repeat) {
    bool all = false;
    bool any = true;
    reduce(ReduceOp::All, DType::Bool, layout, ones.data(), &all);
    reduce(ReduceOp::Any, DType::Bool, layout, zeros.data(), &any);
    ASSERT_TRUE(all) << repeat;
    ASSERT_FALSE(any) << repeat;
  }
  set_num_threads(before);
}

TEST(Reduce, SixteenBitFloatsAccumulateInFloat) {
  const std::vector<BFloat16> src(4096, BFloat16(1.0f));
  BFloat16 total;
  reduce(ReduceOp::Sum, DType::BFloat16, middle(1, 4096, 1), src.data(), &total);
  EXPECT_EQ(static_cast<float>(total), 4096.0f);
}

TEST(Reduce, ChannelsLastStorageUnderNchwStrides) {
  const auto src = normal(2 * 7 * 3 * 5);  // stored (N=2, H=3, W=5, C=7)
  const ReduceLayout per_channel{{{7, {1}}}, {{2, {105}}, {3, {35}}, {5, {7}}}};
  std::vector<double> mean(7), var(7);
  reduce_moments(DType::Float32, per_channel, src.data(), mean.data(), var.data());
  for (size_t c = 0; c < 7; ++c) {
    double total = 0.0;
    for (size_t p = 0; p < 30; ++p) total += static_cast<double>(src[p * 7 + c]);
    EXPECT_NEAR(mean[c], total / 30, 1e-7);
  }
}

TEST(Reduce, Norms) {
  const std::vector<float> src{3.0f, -4.0f, 0.0f};
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<std::pair<double, double>> expected{
      {0.0, 2.0}, {1.0, 7.0}, {2.0, 5.0}, {3.0, std::cbrt(91.0)}, {infinity, 4.0}, {-infinity, 0.0}};
  for (const auto& [p, norm] : expected) {
    float value = 0.0f;
    reduce_norm(p, DType::Float32, middle(1, 3, 1), src.data(), &value);
    EXPECT_FLOAT_EQ(value, static_cast<float>(norm)) << p;
  }
}

}  // namespace
}  // namespace rushlight::kernels

#include "rushlight/kernels/softmax/softmax.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "everywhere.h"

namespace rushlight::kernels {
namespace {

using testing_tools::everywhere;
using testing_tools::normal;

struct Shape {
  int64_t outer, n, inner;
};
const Shape kShapes[] = {{1, 1, 1}, {3, 10, 1},  {2, 1000, 1}, {5, 33, 1},
                         {2, 7, 3}, {1, 19, 40}, {2, 131, 77}, {0, 5, 1}};

TEST(Softmax, MatchesDoubleReferenceForwardAndBackward) {
  for (const Shape& s : kShapes) {
    const int64_t count = s.outer * s.n * s.inner;
    const auto src = normal(count, 3.0f), grad = normal(count, 0.1f, 8);
    everywhere([&] {
      for (const bool log : {false, true}) {
        const SoftmaxParams params{DType::Float32, log, s.outer, s.n, s.inner};
        std::vector<float> dst(src.size()), grad_src(src.size());
        softmax(params, src.data(), dst.data());
        softmax_backward(params, grad.data(), dst.data(), grad_src.data());
        for (int64_t line = 0; line < s.outer * s.inner; ++line) {
          const auto at = [&](int64_t i) {
            return static_cast<size_t>((line / s.inner * s.n + i) * s.inner + line % s.inner);
          };
          double total = 0.0, dot = 0.0, sum = 0.0;
          for (int64_t i = 0; i < s.n; ++i) total += std::exp(static_cast<double>(src[at(i)]));
          const auto y = [&](int64_t i) { return std::exp(static_cast<double>(src[at(i)])) / total; };
          for (int64_t i = 0; i < s.n; ++i) {
            dot += static_cast<double>(grad[at(i)]) * y(i);
            sum += static_cast<double>(grad[at(i)]);
          }
          for (int64_t i = 0; i < s.n; ++i) {
            const double g = static_cast<double>(grad[at(i)]);
            EXPECT_NEAR(dst[at(i)], log ? std::log(y(i)) : y(i), log ? 2e-6 : 1e-6 * y(i));
            EXPECT_NEAR(grad_src[at(i)], log ? g - y(i) * sum : (g - dot) * y(i), 3e-6);
          }
        }
      }
    });
  }
}

TEST(Softmax, ExtremesUnderflowToZeroAndNanSpreads) {
  const float infinity = std::numeric_limits<float>::infinity();
  everywhere([&] {
    std::vector<float> row{1000.0f, 990.0f, -1000.0f, -infinity};
    softmax({DType::Float32, false, 1, 4, 1}, row.data(), row.data());
    EXPECT_NEAR(row[1], std::exp(-10.0) / (1.0 + std::exp(-10.0)), 1e-11);
    EXPECT_EQ(row[2], 0.0f);
    EXPECT_EQ(row[3], 0.0f);
    row = {1.0f, std::numeric_limits<float>::quiet_NaN(), 2.0f};
    softmax({DType::Float32, false, 1, 3, 1}, row.data(), row.data());
    for (const float value : row) EXPECT_TRUE(std::isnan(value));
  });
}

TEST(Softmax, SixteenBitAndDouble) {
  const std::vector<BFloat16> halves(3, BFloat16(1.0f));
  std::vector<BFloat16> result(3);
  softmax({DType::BFloat16, false, 1, 3, 1}, halves.data(), result.data());
  EXPECT_EQ(static_cast<float>(result[0]), static_cast<float>(BFloat16(1.0f / 3)));
  const std::vector<double> src{0.0, std::log(3.0)};
  std::vector<double> dst(2);
  softmax({DType::Float64, false, 1, 2, 1}, src.data(), dst.data());
  EXPECT_NEAR(dst[1], 0.75, 1e-15);
}

TEST(Softmax, CrossEntropyBackwardIsTheTwoStepsInOne) {
  for (const int64_t n : {1, 10, 33, 1000}) {
    const int64_t rows = 37;
    const auto logits = normal(rows * n, 2.0f);
    everywhere([&] {
      std::vector<float> log_probs(logits.size()), two(logits.size()), one(logits.size());
      std::vector<int64_t> target(static_cast<size_t>(rows), -100);
      std::vector<double> scale(static_cast<size_t>(rows), 0.0);
      std::vector<float> grad(logits.size(), 0.0f);
      for (int64_t r = 0; r < rows; r += 2) {  // the others are ignored
        const auto at = static_cast<size_t>(r);
        target[at] = r % n, scale[at] = 0.1 * static_cast<double>(r + 1);
        grad[static_cast<size_t>(r * n + target[at])] = -static_cast<float>(scale[at]);
      }
      const SoftmaxParams params{DType::Float32, true, rows, n, 1};
      softmax(params, logits.data(), log_probs.data());
      softmax_backward(params, grad.data(), log_probs.data(), two.data());
      cross_entropy_backward(DType::Float32, rows, n, log_probs.data(), target.data(), scale.data(),
                             one.data());
      for (size_t i = 0; i < one.size(); ++i) ASSERT_NEAR(one[i], two[i], 1e-6);
    });
  }
}

}  // namespace
}  // namespace rushlight::kernels

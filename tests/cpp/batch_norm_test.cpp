#include "rushlight/kernels/batch_norm/batch_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "everywhere.h"

namespace rushlight::kernels {
namespace {

using testing_tools::everywhere;
using testing_tools::normal;

TEST(BatchNorm, PassesMatchTheFormulasInBothLayouts) {
  for (const int64_t channels : {1, 3, 16, 70}) {
    for (const bool channels_last : {false, true}) {
      const int64_t batch = 3, spatial = 50;
      const BatchNormShape shape{DType::Float32, batch, channels, spatial, channels_last};
      const auto src = normal(batch * channels * spatial, 5.0f),
                 grad = normal(batch * channels * spatial, 0.5f, 8);
      const auto center = normal(channels, 5.0f, 1), scale = normal(channels, 0.0f, 2);
      const auto shift = normal(channels, 0.0f, 3), src_scale = normal(channels, 0.0f, 4);
      std::map<Isa, std::vector<double>> first;
      everywhere([&] {
        std::vector<float> dst(src.size()), grad_src(src.size());
        std::vector<double> sum_grad(static_cast<size_t>(channels)),
            sum_product(static_cast<size_t>(channels));
        batch_norm_apply(shape, src.data(), center.data(), scale.data(), shift.data(), nullptr, false,
                         dst.data());
        batch_norm_apply_backward(shape, src.data(), grad.data(), center.data(), scale.data(),
                                  src_scale.data(), shift.data(), {}, grad_src.data());
        batch_norm_sums(shape, src.data(), grad.data(), center.data(), {}, {}, sum_grad.data(),
                        sum_product.data());
        std::vector<double> expected_grad(sum_grad.size()), expected_product(sum_grad.size());
        for (size_t i = 0; i < src.size(); ++i) {
          const size_t c = static_cast<size_t>(channels_last ? static_cast<int64_t>(i) % channels
                                                             : static_cast<int64_t>(i) / spatial % channels);
          const double x = static_cast<double>(src[i]) - static_cast<double>(center[c]);
          ASSERT_NEAR(dst[i], x * scale[c] + shift[c], 1e-5);
          ASSERT_NEAR(grad_src[i], grad[i] * scale[c] + x * src_scale[c] + shift[c], 1e-5);
          expected_grad[c] += static_cast<double>(grad[i]);
          expected_product[c] += static_cast<double>(grad[i]) * x;
        }
        for (size_t c = 0; c < sum_grad.size(); ++c) {
          ASSERT_NEAR(sum_grad[c], expected_grad[c], 1e-4);
          ASSERT_NEAR(sum_product[c], expected_product[c], 1e-4);
        }
        const auto& same = first.emplace(active_isa(), sum_product).first->second;
        EXPECT_EQ(sum_product, same);
      });
    }
  }
}

// One pass must give the very bits of the single steps: the gate is computed anew in the backward.
TEST(BatchNorm, FusedStepsGiveTheBitsOfSingleOnes) {
  for (const int64_t channels : {1, 3, 16, 70}) {
    for (const bool channels_last : {false, true}) {
      const int64_t batch = 2, spatial = 37, n = batch * channels * spatial;
      const BatchNormShape shape{DType::Float32, batch, channels, spatial, channels_last};
      auto src = normal(n), grad = normal(n, 0.5f, 8), residual = normal(n, 0.0f, 7);
      src[0] = std::numeric_limits<float>::quiet_NaN();
      const auto center = normal(channels, 0.1f, 1), scale = normal(channels, 0.0f, 2);
      const auto shift = normal(channels, 0.0f, 3), src_scale = normal(channels, 0.0f, 4);
      everywhere([&] {
        const auto size = src.size();
        std::vector<float> plain(size), fused(size), masked = grad, expected(size);
        const auto apply = [&](const float* added, bool relu, std::vector<float>& dst) {
          batch_norm_apply(shape, src.data(), center.data(), scale.data(), shift.data(), added, relu,
                           dst.data());
        };
        apply(nullptr, false, plain);
        apply(residual.data(), true, fused);
        for (size_t i = 0; i < size; ++i) {
          const float sum = plain[i] + residual[i];
          expected[i] = sum < 0.0f ? 0.0f : sum;
          if (plain[i] <= 0.0f) masked[i] = 0.0f;
        }
        ASSERT_EQ(std::memcmp(fused.data(), expected.data(), size * sizeof(float)), 0);

        const auto sums = [&](const std::vector<float>& g, const BatchNormGate& gate) {
          std::vector<double> result(static_cast<size_t>(2 * channels));
          batch_norm_sums(shape, src.data(), g.data(), center.data(), gate, {}, result.data(),
                          result.data() + channels);
          return result;
        };
        const BatchNormGate gate{scale.data(), shift.data()};
        const auto separate = sums(masked, {}), together = sums(grad, gate);
        ASSERT_EQ(std::memcmp(separate.data(), together.data(), separate.size() * sizeof(double)), 0);

        std::vector<float> in_place = grad;
        batch_norm_apply_backward(shape, src.data(), masked.data(), center.data(), scale.data(),
                                  src_scale.data(), shift.data(), {}, expected.data());
        batch_norm_apply_backward(shape, src.data(), in_place.data(), center.data(), scale.data(),
                                  src_scale.data(), shift.data(), gate, in_place.data());
        ASSERT_EQ(std::memcmp(in_place.data(), expected.data(), size * sizeof(float)), 0);
      });
    }
  }
}

// Large results go past the caches.
TEST(BatchNorm, LargeResultsHaveTheBitsOfSmallOnes) {
  const int64_t channels = 64, rows = 33000, n = rows * channels, part = 1000;
  const auto src = normal(n), residual = normal(n, 0.0f, 7);
  const auto center = normal(channels, 0.1f, 1), scale = normal(channels, 0.0f, 2);
  const auto shift = normal(channels, 0.0f, 3);
  everywhere([&] {
    for (const float* const added : {static_cast<const float*>(nullptr), residual.data()}) {
      std::vector<float> whole(src.size()), pieces(src.size());
      const auto apply = [&](int64_t first, int64_t count, float* dst) {
        const BatchNormShape shape{DType::Float32, 1, channels, count, true};
        const int64_t at = first * channels;
        batch_norm_apply(shape, src.data() + at, center.data(), scale.data(), shift.data(),
                         added != nullptr ? added + at : nullptr, true, dst + at);
      };
      apply(0, rows, whole.data());
      for (int64_t r = 0; r < rows; r += part) apply(r, part, pieces.data());
      ASSERT_EQ(std::memcmp(whole.data(), pieces.data(), whole.size() * sizeof(float)), 0);
    }
  });
}

// Behind a sum, the ReLU's result is the gate; what passes it is kept.
TEST(BatchNorm, MaskedSumsGiveTheBitsOfSingleSteps) {
  for (const int64_t channels : {1, 3, 16, 70, 130}) {
    for (const bool channels_last : {false, true}) {
      const int64_t batch = 2, spatial = 37, n = batch * channels * spatial;
      const BatchNormShape shape{DType::Float32, batch, channels, spatial, channels_last};
      auto src = normal(n), grad = normal(n, 0.5f, 8), result = normal(n, 0.0f, 7);
      result[1] = std::numeric_limits<float>::quiet_NaN();
      result[2] = 0.0f;
      std::vector<float> masked = grad;
      for (size_t i = 0; i < masked.size(); ++i)
        if (result[i] <= 0.0f) masked[i] = 0.0f;
      const auto center = normal(channels, 0.1f, 1);
      everywhere([&] {
        std::vector<double> separate(static_cast<size_t>(2 * channels)), together(separate.size());
        batch_norm_sums(shape, src.data(), masked.data(), center.data(), {}, {}, separate.data(),
                        separate.data() + channels);
        std::vector<float> passed = grad;
        batch_norm_sums(shape, src.data(), passed.data(), center.data(), {}, {result.data(), passed.data()},
                        together.data(), together.data() + channels);
        ASSERT_EQ(std::memcmp(separate.data(), together.data(), separate.size() * sizeof(double)), 0);
        ASSERT_EQ(std::memcmp(passed.data(), masked.data(), masked.size() * sizeof(float)), 0);
      });
    }
  }
}

// Means far from zero, an outlier in the rows that choose the center, and a constant channel.
TEST(BatchNorm, MomentsAreAccurate) {
  for (const int64_t channels : {1, 3, 16, 70, 2100}) {
    for (const int64_t rows : {1, 2, 15, 16, 17, 700}) {
      const BatchNormShape shape{DType::Float32, 1, channels, rows, true};
      auto src = normal(rows * channels, 1000.0f);
      for (int64_t r = 0; r < rows; ++r) src[static_cast<size_t>(r * channels)] = 0.3f;  // constant
      src.back() = -1e6f;
      if (channels > 1) src[1] = 1e6f;
      std::vector<double> expected_mean(static_cast<size_t>(channels), 0.0), expected_var = expected_mean;
      for (int pass = 0; pass < 2; ++pass)
        for (size_t i = 0; i < src.size(); ++i) {
          const size_t c = i % static_cast<size_t>(channels);
          const double delta = static_cast<double>(src[i]) - expected_mean[c];
          if (pass == 0) expected_mean[c] += static_cast<double>(src[i]) / static_cast<double>(rows);
          if (pass == 1) expected_var[c] += delta * delta / static_cast<double>(rows);
        }
      std::map<Isa, std::vector<double>> first;
      everywhere([&] {
        std::vector<double> mean(expected_mean.size()), var(expected_mean.size());
        batch_norm_moments(shape, src.data(), mean.data(), var.data());
        for (size_t c = 0; c < mean.size(); ++c) {
          ASSERT_NEAR(mean[c], expected_mean[c],
                      1e-7 * std::abs(expected_mean[c]) + 1e-7 * std::sqrt(expected_var[c]));
          ASSERT_NEAR(var[c], expected_var[c], 1e-5 * expected_var[c] + 1e-12);
        }
        EXPECT_EQ(var, first.emplace(active_isa(), var).first->second);
      });
    }
  }
}

TEST(BatchNorm, MomentsOfInfinitiesAndNaN) {
  const float inf = std::numeric_limits<float>::infinity();
  const int64_t channels = 3, rows = 40;
  const BatchNormShape shape{DType::Float32, 1, channels, rows, true};
  auto src = normal(rows * channels);
  src[0] = inf;
  src[static_cast<size_t>(30 * channels + 1)] = -inf;
  src[static_cast<size_t>(5 * channels + 2)] = std::numeric_limits<float>::quiet_NaN();
  everywhere([&] {
    std::vector<double> mean(3), var(3);
    batch_norm_moments(shape, src.data(), mean.data(), var.data());
    EXPECT_EQ(mean[0], static_cast<double>(inf));
    EXPECT_EQ(mean[1], -static_cast<double>(inf));
    EXPECT_TRUE(std::isnan(mean[2]));
    for (const double value : var) EXPECT_TRUE(std::isnan(value));
  });
}

}  // namespace
}  // namespace rushlight::kernels

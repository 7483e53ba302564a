#include "rushlight/kernels/sgd/sgd.h"

#include <gtest/gtest.h>

#include "everywhere.h"

namespace rushlight::kernels {
namespace {

using testing_tools::everywhere;
using testing_tools::normal;

TEST(Sgd, FollowsTheFormulaOverTwoSteps) {
  for (const int64_t n : {1, 17, 40000}) {
    for (const bool nesterov : {false, true}) {
      const auto start = normal<double>(n), grad = normal<double>(n, 0.0, 9);
      everywhere([&] {
        auto param = start;
        std::vector<double> buffer(param.size(), -1.0);
        SgdParams params{0.1, 0.9, nesterov ? 0.0 : 0.5, 0.01, nesterov, true, true};
        const SgdItem item{param.data(), grad.data(), buffer.data(), n};
        sgd_step(DType::Float64, params, &item, 1);
        params.first_step = false;
        sgd_step(DType::Float64, params, &item, 1);
        for (size_t i = 0; i < param.size(); ++i) {
          double p = start[i], b = 0.0;
          for (int step = 0; step < 2; ++step) {
            const double g = -grad[i] + 0.01 * p;
            b = step == 0 ? g : 0.9 * b + (1.0 - params.dampening) * g;
            p -= 0.1 * (nesterov ? g + 0.9 * b : b);
          }
          ASSERT_NEAR(param[i], p, 1e-14);
          ASSERT_NEAR(buffer[i], b, 1e-14);
        }
      });
    }
  }
}

TEST(Sgd, WithoutMomentumNeedsNoBuffer) {
  everywhere([] {
    std::vector<float> param(5, 1.0f);
    const std::vector<float> grad(5, 2.0f);
    const SgdItem item{param.data(), grad.data(), nullptr, 5};
    sgd_step(DType::Float32, {0.25, 0.0, 0.0, 0.0, false, false, true}, &item, 1);
    EXPECT_EQ(param, std::vector<float>(5, 0.5f));
  });
}

}  // namespace
}  // namespace rushlight::kernels

// Convolutions that are not plain multiply-adds: AMX tiles and Winograd.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "conv2d_reference.h"
#include "rushlight/kernels/conv2d/conv2d.h"

namespace rushlight::kernels {
namespace {

using namespace testing_tools;

// Tiles split numbers into parts, Winograd adds those of neighbours; what these cannot serve must still act
// as in float32, in every direction.
TEST(Conv2dFast, SpecialValuesActAsInFloat32) {
  for (const Conv2dParams& p :
       {make(16, 64, 9, 8, 66, 3, 3, 1, 1, 1, 1), make(1, 64, 9, 8, 66, 3, 3, 1, 1, 1, 1),
        make(20, 64, 9, 8, 64, 3, 3, 1, 1, 1, 1)}) {
    const auto clean = normal<float>(source_size(p), 0.0f, 1),
               weight = normal<float>(weight_size(p), 0.0f, 2), grad = normal<float>(result_size(p), 0.0f, 4);
    const auto run = [&](const std::vector<float>& src, const std::vector<float>& w,
                         const std::vector<float>& g) {
      std::vector<float> all(g.size() + src.size() + w.size());
      const auto from = channels_last<const float>(src.data(), p.in_h, p.in_w, p.in_channels);
      const auto back = channels_last<const float>(g.data(), p.out_h(), p.out_w(), p.out_channels);
      conv2d_forward<float>(p, from, w.data(), {}, all.data());
      conv2d_grad_src<float>(p, back, w.data(), all.data() + g.size());
      conv2d_grad_weight<float>(p, from, back, all.data() + g.size() + src.size());
      return all;
    };
    for (const float special : {INFINITY, -INFINITY, NAN, 3.39e38f, 1e30f, 1e-40f})
      for (int place = 0; place < 3; ++place) {
        SCOPED_TRACE(testing::Message() << special << " in operand " << place);
        auto src = clean, w = weight, g = grad;
        (place == 0 ? src : place == 1 ? w : g)[777] = special;
        const Isa before = active_isa();
        set_active_isa(Isa::Generic);
        auto plain = run(src, w, g);
        set_active_isa(before);
        if (place == 0) {  // beyond the border zeros meet the others, which gives NaN
          const Reference<float> exact(p, src, w, g);
          for (size_t i = 0; i < g.size(); ++i) plain[i] = static_cast<float>(exact.result[i].value);
          for (size_t i = 0; i < w.size(); ++i)
            plain[g.size() + src.size() + i] = static_cast<float>(exact.grad_weight[i].value);
        }
        everywhere([&] {
          const auto got = run(src, w, g);
          for (size_t i = 0; i < got.size(); ++i) {
            ASSERT_EQ(std::isnan(got[i]), std::isnan(plain[i])) << i;
            ASSERT_EQ(std::isinf(got[i]), std::isinf(plain[i])) << i;
            if (!std::isfinite(plain[i])) continue;
            ASSERT_NEAR(got[i], plain[i], 1e-3f + 1e-5f * std::abs(plain[i])) << i;
          }
        });
      }
  }
}

using Errors = std::array<double, 3>;  // of the three directions, in total

Errors errors_of(const Reference<float>& r, const std::vector<float>& result,
                 const std::vector<float>& grad_src, const std::vector<float>& grad_weight) {
  Errors errors{};
  for (size_t i = 0; i < result.size(); ++i) errors[0] += std::abs(result[i] - r.result[i].value);
  for (size_t i = 0; i < grad_src.size(); ++i) errors[1] += std::abs(grad_src[i] - r.grad_src[i].value);
  for (size_t i = 0; i < grad_weight.size(); ++i)
    errors[2] += std::abs(grad_weight[i] - r.grad_weight[i].value);
  return errors;
}

// `fma`: computed with a fourth column of taps, which are zero: below AMX only FMA serves that.
Errors errors_at(Isa isa, Conv2dParams p, const Reference<float>& r, bool fma) {
  const int64_t cols = fma ? 4 : 3;
  p.kernel_w = cols, p.pad_w_end += cols - 3;
  std::vector<float> taps(r.weight.size() / 3 * cols), grad_weight(r.weight.size());
  for (size_t i = 0; i < r.weight.size(); ++i) taps[i / 3 * cols + i % 3] = r.weight[i];
  std::vector<float> result(r.grad.size()), grad_src(r.src.size()), grad_taps(taps.size());
  const auto from = channels_last<const float>(r.src.data(), p.in_h, p.in_w, p.in_channels);
  const auto back = channels_last<const float>(r.grad.data(), p.out_h(), p.out_w(), p.out_channels);
  const Isa before = active_isa();
  set_active_isa(isa);
  conv2d_forward<float>(p, from, taps.data(), {}, result.data());
  conv2d_grad_src<float>(p, back, taps.data(), grad_src.data());
  conv2d_grad_weight<float>(p, from, back, grad_taps.data());
  set_active_isa(before);
  for (size_t i = 0; i < grad_weight.size(); ++i) grad_weight[i] = grad_taps[i / 3 * cols + i % 3];
  return errors_of(r, result, grad_src, grad_weight);
}

// Each sum in one chain of float32 multiply-adds.
Errors errors_of_chains(const Conv2dParams& p, const Reference<float>& r) {
  std::vector<float> result(r.grad.size()), grad_src(r.src.size()), grad_weight(r.weight.size());
  for_each_product(p, [&](int64_t s, int64_t w, int64_t d) {
    result[d] = std::fma(r.src[s], r.weight[w], result[d]);
    grad_src[s] = std::fma(r.grad[d], r.weight[w], grad_src[s]);
    grad_weight[w] = std::fma(r.grad[d], r.src[s], grad_weight[w]);
  });
  return errors_of(r, result, grad_src, grad_weight);
}

// The same magnitudes everywhere, or over many orders.
Reference<float> accuracy_reference(const Conv2dParams& p, bool log_normal) {
  auto source = normal<float>(source_size(p), 0.0f, 1), weights = normal<float>(weight_size(p), 0.0f, 2),
       gradient = normal<float>(result_size(p), 0.0f, 4);
  for (auto* values : {&source, &weights, &gradient})
    for (float& v : *values) v = log_normal ? std::copysign(std::exp(3 * v), v) : v;
  return {p, source, weights, gradient};
}

TEST(Conv2dFast, TilesAreAsAccurateAsFma) {
  if (best_isa() < Isa::Amx) GTEST_SKIP() << "this machine has no amx";
  const Conv2dParams p = make(16, 32, 24, 24, 40, 3, 3, 1, 1, 1, 1);
  for (const bool log_normal : {false, true}) {
    const Reference<float> r = accuracy_reference(p, log_normal);
    const Errors tiles = errors_at(Isa::Amx, p, r, false), fma = errors_at(Isa::Avx512, p, r, true);
    for (size_t direction = 0; direction < 3; ++direction)
      EXPECT_LE(tiles[direction], 1.25 * fma[direction])  // whose weight gradient sums shorter chains
          << (log_normal ? "log-normal" : "normal") << ", direction " << direction;
  }
}

TEST(Conv2dFast, WinogradIsAsAccurateAsOneChain) {
  const Conv2dParams p = make(3, 64, 24, 23, 64, 3, 3, 1, 1, 1, 1);  // tiles too
  for (const bool log_normal : {false, true}) {
    const Reference<float> r = accuracy_reference(p, log_normal);
    const Errors chains = errors_of_chains(p, r);
    for (int level = 0; level <= static_cast<int>(best_isa()); ++level) {
      const auto isa = static_cast<Isa>(level);
      const Errors fast = errors_at(isa, p, r, false);
      for (size_t direction = 0; direction < 3; ++direction)
        EXPECT_LE(fast[direction], chains[direction])
            << isa_name(isa) << (log_normal ? ", log-normal" : ", normal") << ", direction " << direction;
    }
  }
}

}  // namespace
}  // namespace rushlight::kernels

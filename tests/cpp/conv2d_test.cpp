#include "rushlight/kernels/conv2d/conv2d.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "conv2d_reference.h"

namespace rushlight::kernels {
namespace {

using namespace testing_tools;

constexpr int64_t kGuard = 40;

// Shapes that hurt: odd channels and widths, one pixel, strides that skip pixels, maps of few pixels, wide
// padding.
std::vector<Conv2dParams> shapes() {
  std::vector<Conv2dParams> list{
      make(1, 1, 1, 1, 1, 1, 1),
      make(2, 3, 8, 8, 5, 3, 3, 1, 1, 1, 1),
      make(2, 8, 14, 14, 33, 3, 3, 1, 1, 1, 1),
      make(3, 32, 7, 7, 40, 3, 3, 1, 1, 1, 1),
      make(1, 3, 22, 28, 20, 7, 7, 2, 2, 3, 3),
      make(2, 64, 8, 14, 34, 1, 1, 2, 2),
      make(2, 16, 13, 9, 32, 3, 3, 2, 2, 1, 1),
      make(1, 8, 9, 11, 12, 3, 2, 3, 1, 2, 1, 2, 3),
      make(4, 12, 10, 10, 24, 3, 3, 1, 1, 1, 1, 1, 1, 4),
      make(2, 16, 9, 9, 16, 3, 3, 2, 2, 1, 1, 1, 1, 16),
      make(1, 128, 2, 2, 20, 3, 3, 1, 1, 1, 1),
      make(2, 5, 5, 5, 3, 1, 1, 3, 3),
      make(2, 256, 7, 7, 35, 1, 1),
      make(2, 7, 3, 17, 9, 1, 5, 1, 1, 0, 2),
      make(3, 4, 5, 5, 6, 5, 5, 1, 1, 4, 4),
      make(1, 3, 5, 1, 4, 3, 1, 1, 1, 1, 0),
      make(1, 2, 20, 21, 3, 2, 2, 5, 4),
      // few pixels: weights read where they lie, in pieces of pixels, of outputs, of channels
      make(1, 70, 8, 8, 33, 3, 3, 1, 1, 1, 1),
      make(1, 64, 8, 8, 520, 3, 3, 1, 1, 1, 1),
      make(1, 20, 16, 15, 18, 3, 3, 1, 1, 1, 1),
      make(3, 136, 5, 4, 10, 7, 7, 1, 1, 3, 3),
      make(2, 130, 6, 6, 9, 3, 3, 2, 2, 1, 1),
      make(1, 33, 7, 7, 12, 1, 2, 1, 1, 0, 1),
      // large enough for tiles in every direction: many images, few, strides, few channels
      make(16, 24, 6, 5, 40, 3, 3, 1, 1, 1, 1),
      make(32, 18, 4, 4, 70, 3, 3, 1, 1, 1, 1),
      make(3, 40, 17, 20, 33, 3, 3, 2, 2, 1, 1),
      make(2, 70, 11, 13, 36, 3, 3, 1, 1, 2, 2, 2, 2),
      make(2, 3, 22, 28, 70, 7, 7, 2, 2, 3, 3),
      // for the weight gradient: wide bands, many of them and unevenly many, several ranges of outputs,
      // strides and dilations with a common factor
      make(32, 16, 3, 61, 20, 3, 3, 1, 1, 1, 1),
      make(37, 17, 5, 4, 16, 2, 2),
      make(3, 20, 8, 9, 530, 1, 1, 2, 2),
      make(2, 20, 15, 17, 18, 3, 3, 2, 2, 2, 2, 2, 2),
      make(5, 6, 12, 13, 17, 3, 4, 3, 2, 1, 1, 1, 2),
      // bands that strips of columns do not divide
      make(2, 64, 8, 56, 32, 7, 7, 1, 1, 1, 0),
      // taps that never meet the source: some, all but one, all
      make(16, 40, 2, 2, 33, 3, 3, 2, 2, 1, 1),
      make(32, 36, 1, 1, 40, 3, 3, 1, 1, 1, 1),
      make(2, 24, 2, 3, 24, 3, 3, 1, 1, 4, 4, 4, 4),
      make(3, 16, 1, 2, 16, 3, 3, 1, 1, 1, 1, 1, 1, 16),
      make(20, 24, 1, 1, 24, 2, 2, 6, 6, 3, 3),
      // rows and columns of results that read padding only
      make(16, 20, 4, 5, 24, 1, 3, 1, 1, 2, 0),
      make(2, 33, 5, 4, 18, 3, 1, 1, 2, 0, 3),
      // Images in sixteens: few channels, one or two pixels of the result in a window; rings of rows; short
      // rows.
      make(16, 3, 20, 24, 40, 7, 7, 2, 2, 3, 3),
      make(32, 5, 7, 9, 20, 5, 5, 1, 1, 2, 2),
      make(16, 3, 9, 19, 17, 4, 7, 2, 2),
      make(16, 4, 6, 5, 16, 3, 5, 1, 3, 2, 6),
      make(48, 20, 10, 5, 33, 3, 3, 1, 1, 1, 1),
      make(32, 40, 26, 3, 36, 3, 3, 2, 1, 1, 1),
      make(16, 300, 5, 16, 70, 3, 3, 1, 1, 1, 1),
      // enough tiles for Winograd: widths and channels that leave parts, all paddings, one tile a row
      make(3, 65, 11, 14, 71, 3, 3, 1, 1, 1, 1),
      make(2, 81, 15, 9, 16, 3, 3),
      make(1, 16, 20, 13, 70, 3, 3, 1, 1, 2, 2),
      make(64, 64, 2, 2, 19, 3, 3, 1, 1, 1, 1),
      make(40, 66, 3, 4, 74, 3, 3, 1, 1, 0, 1),
      make(9, 256, 6, 6, 260, 3, 3, 1, 1, 1, 1),
      // for Winograd on tiles: odd sides, parts of blocks, runs and groups, one tile a row, all paddings
      make(2, 96, 31, 28, 160, 3, 3, 1, 1, 1, 1),
      make(100, 64, 8, 2, 96, 3, 3, 1, 1, 1, 1),
      make(8, 128, 18, 16, 64, 3, 3),
      make(3, 64, 22, 21, 128, 3, 3, 1, 1, 2, 2),
  };
  Conv2dParams uneven = make(2, 3, 6, 7, 4, 2, 4);
  uneven.pad_w = 1, uneven.pad_h_end = 1, uneven.pad_w_end = 2;
  list.push_back(uneven);
  Conv2dParams far = make(40, 24, 3, 6, 30, 2, 3, 1, 1, 1, 1, 3, 2);
  far.pad_h_end = 0;
  list.push_back(far);
  return list;
}

// A result with guards on both sides.
template <class T>
struct Guarded {
  std::vector<T> memory;
  explicit Guarded(int64_t size) : memory(static_cast<size_t>(size + 2 * kGuard + 1), T(77)) {}
  T* data() { return memory.data() + kGuard + 1; }
  void check(const std::vector<Sum>& expected, const char* what) {
    for (size_t i = 0; i < expected.size(); ++i) {
      const Sum& sum = expected[i];
      const double bound = std::numeric_limits<T>::epsilon() * (2.0 * sum.terms * sum.magnitude + 1e-6);
      ASSERT_NEAR(data()[i], sum.value, bound) << what << " at " << i << " (seeds 1 to 4)";
    }
    for (int64_t i = 0; i < kGuard; ++i) {
      ASSERT_EQ(memory[static_cast<size_t>(i)], T(77)) << what << " wrote before its result";
      ASSERT_EQ(memory[memory.size() - 1 - static_cast<size_t>(i)], T(77))
          << what << " wrote after its result";
    }
  }
};

template <class T>
std::vector<T> to_plain(const std::vector<T>& last, int64_t images, int64_t pixels, int64_t channels) {
  std::vector<T> plain(last.size());
  for (int64_t n = 0; n < images; ++n)
    for (int64_t i = 0; i < pixels; ++i)
      for (int64_t c = 0; c < channels; ++c)
        plain[(n * channels + c) * pixels + i] = last[(n * pixels + i) * channels + c];
  return plain;
}

template <class T>
class Conv2d : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Conv2d, Types);

TYPED_TEST(Conv2d, ThreeDirectionsAgreeWithTheDefinitionInBothLayouts) {
  using T = TypeParam;
  for (const Conv2dParams& p : shapes()) {
    SCOPED_TRACE(describe(p));
    const Reference<T> expected(p);
    const auto plain_src = to_plain(expected.src, p.images, p.in_h * p.in_w, p.in_channels);
    const auto plain_grad = to_plain(expected.grad, p.images, p.out_h() * p.out_w(), p.out_channels);
    const int64_t in = p.in_h * p.in_w, out = p.out_h() * p.out_w();
    const ImageView<const T> srcs[] = {channels_last(expected.src.data(), p.in_h, p.in_w, p.in_channels),
                                       {plain_src.data(), in * p.in_channels, p.in_w, 1, in}};
    const ImageView<const T> grads[] = {
        channels_last(expected.grad.data(), p.out_h(), p.out_w(), p.out_channels),
        {plain_grad.data(), out * p.out_channels, p.out_w(), 1, out}};
    everywhere([&] {
      for (int layout = 0; layout < 2; ++layout) {
        Guarded<T> result(result_size(p)), grad_src(source_size(p)), grad_weight(weight_size(p));
        conv2d_forward<T>(p, srcs[layout], expected.weight.data(), {expected.bias.data()}, result.data());
        conv2d_grad_src(p, grads[layout], expected.weight.data(), grad_src.data());
        conv2d_grad_weight(p, srcs[layout], grads[layout], grad_weight.data());
        result.check(expected.result, "forward");
        grad_src.check(expected.grad_src, "grad_src");
        grad_weight.check(expected.grad_weight, "grad_weight");
      }
    });
  }
}

// Shapes for every path: register tiles, tiles of AMX (in place and gathered, one chain and several), few
// pixels, depthwise.
TYPED_TEST(Conv2d, EpilogueAddsTheResidualAndClamps) {
  using T = TypeParam;
  for (const Conv2dParams& p :
       {make(2, 3, 8, 9, 5, 3, 3, 1, 1, 1, 1), make(1, 32, 18, 18, 40, 3, 3, 1, 1, 1, 1),
        make(1, 80, 16, 17, 33, 3, 3, 1, 1, 1, 1), make(4, 40, 17, 16, 48, 3, 3, 2, 2, 1, 1),
        make(1, 16, 4, 4, 20, 3, 3, 1, 1, 1, 1), make(2, 18, 9, 9, 18, 3, 3, 1, 1, 1, 1, 1, 1, 18),
        make(3, 67, 13, 9, 70, 3, 3, 1, 1, 1, 1), make(5, 260, 9, 6, 257, 3, 3, 1, 1, 1, 1),
        make(2, 12, 7, 7, 14, 3, 3, 1, 1, 1, 1, 1, 1, 2), make(16, 3, 10, 12, 40, 7, 7, 2, 2, 3, 3),
        make(16, 100, 6, 5, 40, 3, 3, 1, 1, 1, 1), make(5, 64, 17, 19, 96, 3, 3, 1, 1, 1, 1)}) {
    SCOPED_TRACE(describe(p));
    const Reference<T> expected(p);
    auto residual = normal<T>(result_size(p), T(0), 5);
    residual[3] = std::numeric_limits<T>::quiet_NaN();
    const ImageView<const T> src = channels_last(expected.src.data(), p.in_h, p.in_w, p.in_channels);
    everywhere([&] {
      std::vector<T> result(residual.size());
      conv2d_forward<T>(p, src, expected.weight.data(), {expected.bias.data(), residual.data(), true},
                        result.data());
      EXPECT_TRUE(std::isnan(result[3]));
      for (size_t i = 0; i < result.size(); ++i) {
        if (i == 3) continue;
        Sum sum = expected.result[i];
        sum.add(residual[i]);
        const double bound = std::numeric_limits<T>::epsilon() * 2.0 * sum.terms * sum.magnitude;
        ASSERT_NEAR(result[i], std::max(sum.value, 0.0), bound) << "at " << i << " (seeds 1 to 5)";
      }
    });
  }
}

TYPED_TEST(Conv2d, EveryRowAgreesWithTheDefinition) {
  using T = TypeParam;
  int count = 0, ran = 0;
  const ConvKernel<T>* rows = conv2d_kernels<T>(&count);
  for (int r = 0; r < count; ++r) {
    const ConvKernel<T>& row = rows[r];
    if (row.block == nullptr || row.isa > best_isa()) continue;
    for (const int64_t width : {row.length, row.length + 1, 2 * row.length, 7 * row.length, int64_t{15}})
      for (const int64_t outputs :
           {int64_t{1}, row.outputs / 2, row.outputs / 2 + 1, row.outputs, row.outputs + 3}) {
        if (width < row.length) continue;
        const Conv2dParams p = make(2, 5, 3, width, outputs, 3, 3, 1, 1, 1, 1);
        SCOPED_TRACE(testing::Message() << row.name << " " << describe(p));
        const Reference<T> expected(p);
        Guarded<T> result(result_size(p));
        conv2d_forward_with<T>(row, p, channels_last(expected.src.data(), p.in_h, p.in_w, p.in_channels),
                               expected.weight.data(), {expected.bias.data()}, result.data());
        result.check(expected.result, row.name);
        ++ran;
      }
  }
  EXPECT_GE(ran, 1);
}

TYPED_TEST(Conv2d, SameBitsForAnyNumberOfThreads) {
  using T = TypeParam;
  for (const Conv2dParams& p :
       {make(5, 12, 15, 14, 40, 3, 3, 1, 2, 1, 1), make(16, 64, 8, 8, 64, 3, 3, 1, 1, 1, 1),
        make(32, 24, 26, 6, 40, 3, 3, 1, 1, 1, 1), make(16, 3, 60, 8, 32, 7, 7, 2, 2, 3, 3),
        make(3, 64, 14, 14, 96, 3, 3, 2, 2, 1, 1), make(1, 96, 4, 4, 64, 3, 3, 1, 1, 1, 1),
        make(1, 136, 8, 8, 64, 3, 3, 1, 1, 1, 1), make(1, 64, 7, 9, 520, 3, 3, 1, 1, 1, 1),
        make(7, 256, 7, 8, 256, 3, 3, 1, 1, 1, 1)}) {
    SCOPED_TRACE(describe(p));
    const Reference<T> r(p);
    std::vector<T> first;
    const int before = num_threads();
    for (const int threads : {1, 2, 3, 8}) {
      set_num_threads(threads);
      const ImageView<const T> src = channels_last(r.src.data(), p.in_h, p.in_w, p.in_channels);
      const ImageView<const T> grad = channels_last(r.grad.data(), p.out_h(), p.out_w(), p.out_channels);
      std::vector<T> all(r.grad.size() + r.src.size() + r.weight.size());
      conv2d_forward<T>(p, src, r.weight.data(), {r.bias.data()}, all.data());
      conv2d_grad_src(p, grad, r.weight.data(), all.data() + r.grad.size());
      conv2d_grad_weight(p, src, grad, all.data() + r.grad.size() + r.src.size());
      if (first.empty()) first = all;
      EXPECT_EQ(all, first) << threads << " threads";
    }
    set_num_threads(before);
  }
}

TEST(Conv2dSelection, FollowsLevelAndWidth) {
  EXPECT_STREQ(select_conv2d<float>(Isa::Generic, 14).name, "conv2d_f32_4x1x8_generic");
  if (best_isa() < Isa::Avx512) GTEST_SKIP() << "this machine has no avx512";
  EXPECT_STREQ(select_conv2d<float>(Isa::Avx512, 56).name, "conv2d_f32_2x7x32_avx512");
  EXPECT_STREQ(select_conv2d<float>(Isa::Avx512, 16).name, "conv2d_f32_7x2x32_avx512");
  std::string why;
  EXPECT_STREQ(select_conv2d<float>(Isa::Avx512, 1, &why).name, "conv2d_f32_8x1x32_avx512");
  EXPECT_NE(why.find("width 1 is no multiple of 7"), std::string::npos) << why;
}

TEST(Conv2dEmpty, GradientOfTheWeightOfNoImagesIsZero) {
  const Conv2dParams p = make(0, 3, 5, 5, 4, 3, 3);
  std::vector<float> grad_weight(weight_size(p), 5.0f);
  conv2d_grad_weight<float>(p, {}, {}, grad_weight.data());
  for (const float value : grad_weight) EXPECT_EQ(value, 0.0f);
}

}  // namespace
}  // namespace rushlight::kernels

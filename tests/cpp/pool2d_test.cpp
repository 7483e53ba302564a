#include "rushlight/kernels/pool2d/pool2d.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "everywhere.h"

namespace rushlight::kernels {
namespace {

using testing_tools::everywhere;
using testing_tools::normal;

// Windows of `kernel` positions every `stride`, `pad` on both sides.
PoolAxis axis(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t step) {
  PoolAxis result{size, step, {}, {}, {}};
  for (int64_t start = -pad; start + (kernel - 1) * step < size + pad; start += stride) {
    int64_t begin = start;
    while (begin < 0) begin += step;
    result.begin.push_back(begin);
    result.end.push_back(std::min(size, start + (kernel - 1) * step + 1));
    result.count.push_back(kernel);
  }
  return result;
}

template <class T>
std::vector<T> to_channels_last(const std::vector<T>& src, int64_t batch, int64_t channels, int64_t spatial) {
  std::vector<T> dst(src.size());
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t s = 0; s < spatial; ++s)
        dst[static_cast<size_t>((n * spatial + s) * channels + c)] =
            src[static_cast<size_t>((n * channels + c) * spatial + s)];
  return dst;
}

TEST(Pool2d, LayoutsAgreeForwardAndBackward) {
  for (const int64_t channels : {1, 5, 17, 64, 67, 130}) {
    for (const int64_t step : {1, 2}) {
      Pool2dParams plain{DType::Float32, 2, channels, axis(9, 3, 2, 1, step), axis(8, 3, 1, 1, step), false};
      Pool2dParams last = plain;
      last.channels_last = true;
      const int64_t outputs = plain.h.outputs() * plain.w.outputs();
      const auto src = normal(2 * channels * 72), grad = normal(2 * channels * outputs, 0.0f, 8);
      const auto src_last = to_channels_last(src, 2, channels, 72);
      const auto grad_last = to_channels_last(grad, 2, channels, outputs);
      everywhere([&] {
        std::vector<float> dst(grad.size()), dst_last(grad.size()), back(src.size()), back_last(src.size());
        std::vector<int64_t> index(grad.size()), positions(grad.size());
        std::vector<uint8_t> choice(grad.size());
        max_pool2d(plain, src.data(), dst.data(), index.data());
        max_pool2d(last, src_last.data(), dst_last.data(), choice.data());
        EXPECT_EQ(to_channels_last(dst, 2, channels, outputs), dst_last);
        max_pool2d_positions(last, choice.data(), positions.data());
        EXPECT_EQ(to_channels_last(index, 2, channels, outputs), positions);
        max_pool2d_backward(plain, grad.data(), index.data(), back.data());
        max_pool2d_backward(last, grad_last.data(), choice.data(), back_last.data());
        EXPECT_EQ(to_channels_last(back, 2, channels, 72), back_last);
        max_pool2d_gather(last, src_last.data(), choice.data(), grad.size() ? dst.data() : nullptr);
        EXPECT_EQ(dst, dst_last);
        avg_pool2d(plain, src.data(), dst.data());
        avg_pool2d(last, src_last.data(), dst_last.data());
        EXPECT_EQ(to_channels_last(dst, 2, channels, outputs), dst_last);
        avg_pool2d_backward(plain, grad.data(), back.data());
        avg_pool2d_backward(last, grad_last.data(), back_last.data());
        EXPECT_EQ(to_channels_last(back, 2, channels, 72), back_last);
      });
    }
  }
}

TEST(Pool2d, KnownWindows) {
  const std::vector<float> src{1, 2, 3, 4, 5, 6, 7, 8, 9};
  Pool2dParams params{DType::Float32, 1, 1, axis(3, 2, 1, 0, 1), axis(3, 2, 1, 0, 1), false};
  std::vector<float> dst(4);
  std::vector<int64_t> index(4);
  max_pool2d(params, src.data(), dst.data(), index.data());
  EXPECT_EQ(dst, (std::vector<float>{5, 6, 8, 9}));
  EXPECT_EQ(index, (std::vector<int64_t>{4, 5, 7, 8}));
  avg_pool2d(params, src.data(), dst.data());
  EXPECT_EQ(dst, (std::vector<float>{3, 4, 6, 7}));
  params.divisor = 2;
  avg_pool2d(params, src.data(), dst.data());
  EXPECT_EQ(dst, (std::vector<float>{6, 8, 12, 14}));
}

TEST(Pool2d, NanBeatsEverything) {
  std::vector<float> src(9 * 64, 1.0f);
  src[4 * 64 + 3] = std::numeric_limits<float>::quiet_NaN();
  const Pool2dParams params{DType::Float32, 1, 64, axis(3, 3, 1, 0, 1), axis(3, 3, 1, 0, 1), true};
  everywhere([&] {
    std::vector<float> dst(64);
    std::vector<uint8_t> choice(64);
    max_pool2d(params, src.data(), dst.data(), choice.data());
    EXPECT_TRUE(std::isnan(dst[3]));
    EXPECT_EQ(choice[3], 4);
    EXPECT_EQ(dst[4], 1.0f);
    EXPECT_EQ(choice[4], 0);
  });
}

}  // namespace
}  // namespace rushlight::kernels

// What convolutions must give, for their tests.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "everywhere.h"
#include "rushlight/kernels/conv2d/conv2d.h"

namespace rushlight::testing_tools {

using kernels::Conv2dParams;

inline Conv2dParams make(int64_t n, int64_t c, int64_t h, int64_t w, int64_t o, int64_t kh, int64_t kw,
                         int64_t sh = 1, int64_t sw = 1, int64_t ph = 0, int64_t pw = 0, int64_t dh = 1,
                         int64_t dw = 1, int64_t groups = 1) {
  return {n, c, h, w, o, kh, kw, sh, sw, ph, pw, ph, pw, dh, dw, groups};
}

inline int64_t source_size(const Conv2dParams& p) { return p.images * p.in_h * p.in_w * p.in_channels; }
inline int64_t result_size(const Conv2dParams& p) {
  return p.images * p.out_h() * p.out_w() * p.out_channels;
}
inline int64_t weight_size(const Conv2dParams& p) { return p.out_channels * p.group_in() * p.taps(); }

// Calls f(index in src, index in weight, index in dst), channels-last, for every product of the definition.
template <class F>
void for_each_product(const Conv2dParams& p, F&& f) {
  for (int64_t n = 0; n < p.images; ++n)
    for (int64_t y = 0; y < p.out_h(); ++y)
      for (int64_t x = 0; x < p.out_w(); ++x)
        for (int64_t o = 0; o < p.out_channels; ++o)
          for (int64_t i = 0; i < p.kernel_h; ++i)
            for (int64_t j = 0; j < p.kernel_w; ++j) {
              const int64_t row = y * p.stride_h - p.pad_h + i * p.dilation_h;
              const int64_t col = x * p.stride_w - p.pad_w + j * p.dilation_w;
              if (row < 0 || row >= p.in_h || col < 0 || col >= p.in_w) continue;
              const int64_t first = o / p.group_out() * p.group_in();
              const int64_t src = ((n * p.in_h + row) * p.in_w + col) * p.in_channels + first;
              const int64_t weight = o * p.group_in() * p.taps() + i * p.kernel_w + j;
              const int64_t dst = ((n * p.out_h() + y) * p.out_w() + x) * p.out_channels + o;
              for (int64_t c = 0; c < p.group_in(); ++c) f(src + c, weight + c * p.taps(), dst);
            }
}

struct Sum {
  double value = 0, magnitude = 0;
  int64_t terms = 0;
  void add(double term) {
    value += term;
    magnitude += std::abs(term);
    ++terms;
  }
};

// What the three directions must give, as sums with the scale of their rounding error.
template <class T>
struct Reference {
  std::vector<T> src, weight, bias, grad;
  std::vector<Sum> result, grad_src, grad_weight;
  explicit Reference(const Conv2dParams& p)
      : Reference(p, normal<T>(source_size(p), T(0), 1), normal<T>(weight_size(p), T(0), 2),
                  normal<T>(result_size(p), T(0), 4)) {
    for (size_t i = 0; i < result.size(); ++i) result[i].add(bias[i % bias.size()]);
  }
  Reference(const Conv2dParams& p, std::vector<T> source, std::vector<T> weights, std::vector<T> gradient)
      : src(std::move(source)),
        weight(std::move(weights)),
        bias(normal<T>(p.out_channels, T(0), 3)),
        grad(std::move(gradient)),
        result(grad.size()),
        grad_src(src.size()),
        grad_weight(weight.size()) {
    for_each_product(p, [&](int64_t s, int64_t w, int64_t d) {
      result[d].add(double{src[s]} * weight[w]);
      grad_src[s].add(double{grad[d]} * weight[w]);
      grad_weight[w].add(double{grad[d]} * src[s]);
    });
  }
};

inline std::string describe(const Conv2dParams& p) {
  return testing::PrintToString(std::vector<int64_t>{p.images, p.in_channels, p.in_h, p.in_w, p.out_channels,
                                                     p.kernel_h, p.kernel_w, p.stride_h, p.stride_w, p.pad_h,
                                                     p.pad_w, p.dilation_h, p.dilation_w, p.groups});
}

}  // namespace rushlight::testing_tools

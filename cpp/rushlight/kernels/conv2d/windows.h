// Images of few channels (a network's first layer has three) as images of more: the columns that a row of
// taps reads become channels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "rushlight/base/dtype.h"
#include "rushlight/kernels/conv2d/job.h"

namespace rushlight::kernels {

// A window is what the taps of a row read for one or two pixels of the result side by side; the second one's
// weights are the first one's, some channels later. `job` reads windows as if they were pixels, without gaps
// or padding.
template <class T>
class Windows {
 public:
  static bool fit(const ConvJob<T>& x) {
    return x.groups == 1 && x.channels < 16 && run(x) > 1 && run(x) * x.channels >= 16;
  }

  explicit Windows(const ConvJob<T>& x)
      : source_(x.src), columns_(x.src_w), channels_(x.channels), first_col_(x.taps[0].col), job_(x) {
    const int64_t width = run(x);
    const auto numbers = [&](int64_t pixels) { return ((pixels - 1) * x.step_w + width) * x.channels; };
    const int64_t pixels = x.out_w % 2 == 0 && (numbers(1) + 31) / 32 == (numbers(2) + 31) / 32 ? 2 : 1;
    job_.channels = numbers(pixels);
    job_.src_w = job_.out_w = x.out_w / pixels;
    job_.src.col = pixels * x.step_w * x.channels;
    job_.step_w = 1;
    job_.outputs = pixels * x.outputs;
    job_.dst.col *= pixels;
    job_.kept = nullptr;
    job_.taps.clear();
    for (size_t i = 0; i < x.taps.size(); i += static_cast<size_t>(width))
      job_.taps.push_back({x.taps[i].row, 0, static_cast<int64_t>(job_.taps.size())});
    const auto rows = static_cast<int64_t>(job_.taps.size());
    job_.weight_channel = rows, job_.weight_output = job_.channels * rows;
    weight_.resize(static_cast<size_t>(job_.outputs * job_.weight_output));
    for (int64_t o = 0; o < job_.outputs; ++o)
      for (int64_t t = 0; t < static_cast<int64_t>(x.taps.size()); ++t)
        for (int64_t c = 0; c < x.channels; ++c) {
          const int64_t channel = (o / x.outputs * x.step_w + t % width) * x.channels + c;
          weight_[static_cast<size_t>(o * job_.weight_output + channel * rows + t / width)] =
              weight_of(x, o % x.outputs * x.weight_output + c * x.weight_channel +
                               x.taps[static_cast<size_t>(t)].weight);
        }
    job_.weight = weight_.data(), job_.narrow = nullptr;
    if (x.epilogue.bias == nullptr) return;
    for (int64_t o = 0; o < job_.outputs; ++o) bias_.push_back(x.epilogue.bias[o % x.outputs]);
    job_.epilogue.bias = bias_.data();
  }

  const ConvJob<T>& job() const { return job_; }
  // Numbers of a row of the source with zeros around, and where its columns are in it.
  int64_t row_size() const { return (job_.out_w - 1) * job_.src.col + job_.channels; }
  const ImageView<const T>& source() const { return source_; }
  int64_t columns() const { return columns_; }
  int64_t channels() const { return channels_; }
  int64_t first_col() const { return first_col_; }

 private:
  static Wide<T> weight_of(const ConvJob<T>& x, int64_t i) {
    if constexpr (std::is_same_v<Wide<T>, float>)
      if (x.narrow != nullptr) {
        BFloat16 number;
        number.bits = x.narrow[i];
        return number;
      }
    return x.weight[i];
  }
  // Taps of a row, 1 if rows differ or have gaps.
  static int64_t run(const ConvJob<T>& x) {
    const auto& taps = x.taps;
    size_t run = 0;
    while (run < taps.size() && taps[run].row == taps[0].row) ++run;
    for (size_t i = 0; i < taps.size(); ++i)
      if (taps[i].row != taps[i / run * run].row ||
          taps[i].col != taps[0].col + static_cast<int64_t>(i % run))
        return 1;
    return run > 0 && taps.size() % run == 0 ? static_cast<int64_t>(run) : 1;
  }

  const ImageView<const T> source_;
  const int64_t columns_, channels_, first_col_;
  std::vector<Wide<T>> weight_, bias_;
  ConvJob<T> job_;
};

}  // namespace rushlight::kernels

#include "rushlight/kernels/conv2d/skinny.h"

#include <algorithm>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/base/trace.h"
#include "rushlight/kernels/conv2d/conv2d_levels.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kPieces = 8;  // input channels are cut into so many, where there are enough
constexpr int64_t kPieceWork = 1 << 17;
// From so many pixels, and for weights that stay in the L2 cache, every thread gathers its own pixels:
// columns that another core wrote are slow to read.
constexpr int64_t kPartPixels = 32, kCachedWeights = 1 << 18;
constexpr int64_t kChain = 32;        // rows of weights at a time, read from end to end
constexpr int64_t kChainPixels = 32;  // of a weight's gradient: longer sums are less exact than PyTorch's

int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// Kernels of a level: see columns.h.
template <class T>
struct ColumnKernels {
  void (*take)(const TapColumns<T>&);
  void (*add)(const TapColumns<T>&);
};
template <class T>
ColumnKernels<T> columns_of();
template <>
ColumnKernels<float> columns_of() {
  static constexpr PerIsa<void (*)(const TapColumns<float>&)> kTake{
      generic::take_taps_f32, RUSHLIGHT_AVX2(avx2::take_taps_f32), RUSHLIGHT_AVX512(avx512::take_taps_f32)};
  static constexpr PerIsa<void (*)(const TapColumns<float>&)> kAdd{
      generic::add_taps_f32, RUSHLIGHT_AVX2(avx2::add_taps_f32), RUSHLIGHT_AVX512(avx512::add_taps_f32)};
  return {kTake.at(active_isa()), kAdd.at(active_isa())};
}
template <>
ColumnKernels<double> columns_of() {
  static constexpr PerIsa<void (*)(const TapColumns<double>&)> kTake{
      generic::take_taps_f64, RUSHLIGHT_AVX2(avx2::take_taps_f64), RUSHLIGHT_AVX512(avx512::take_taps_f64)};
  static constexpr PerIsa<void (*)(const TapColumns<double>&)> kAdd{
      generic::add_taps_f64, RUSHLIGHT_AVX2(avx2::add_taps_f64), RUSHLIGHT_AVX512(avx512::add_taps_f64)};
  return {kTake.at(active_isa()), kAdd.at(active_isa())};
}

template <class T>
struct Skinny {
  const Conv2dParams& p;
  const GemmKernel<T>& kernel = select_gemm<T>(active_isa());
  const ColumnKernels<T> move = columns_of<T>();
  const FlushDenormals flush;
  const int64_t out_w = p.out_w(), per_image = p.out_h() * out_w;
  const int64_t pixels = p.images * per_image, taps = p.taps(), depth = p.in_channels * taps;

  explicit Skinny(const Conv2dParams& params) : p(params) {
    trace::note_kernel(kernel.name);
    trace::note_flop(2.0 * static_cast<double>(p.work()));
  }

  // Calls body(first, end) for pieces of the input channels.
  template <class F>
  void for_channels(F&& body) const {
    const int64_t wanted = (p.in_channels + kPieces - 1) / kPieces;
    parallel_for(p.in_channels, round_up(wanted, p.in_channels < 128 ? 16 : 32), body);
  }

  // Calls f(tap, image, row, column of the source) for every tap of an output pixel; false: outside.
  template <class F>
  void for_taps(int64_t pixel, F&& f) const {
    const int64_t image = pixel / per_image;
    const int64_t top = pixel % per_image / out_w * p.stride_h - p.pad_h;
    const int64_t left = pixel % out_w * p.stride_w - p.pad_w;
    for (int64_t i = 0, tap = 0; i < p.kernel_h; ++i)
      for (int64_t j = 0; j < p.kernel_w; ++j, ++tap) {
        const int64_t row = top + i * p.dilation_h, col = left + j * p.dilation_w;
        f(tap, image, row, col, row >= 0 && row < p.in_h && col >= 0 && col < p.in_w);
      }
  }

  // columns[pixel * pitch + channel * taps + tap]: what output pixels, from the first, read of the channels
  // from `first`, zeros in the padding.
  void gather_columns(ImageView<const T> src, int64_t first_pixel, int64_t end_pixel, int64_t first,
                      int64_t channels, T* columns, int64_t pitch) const {
    const bool copy = src.channel != 1;
    Scratch<T> copies(copy ? taps * channels : 0);
    Scratch<T*> rows(taps);
    for (int64_t pixel = first_pixel; pixel < end_pixel; ++pixel, columns += pitch) {
      for_taps(pixel, [&](int64_t tap, int64_t image, int64_t row, int64_t col, bool inside) {
        const T* from = src.data + image * src.image + row * src.row + col * src.col + first * src.channel;
        rows[tap] = !inside ? nullptr : copy ? &copies[tap * channels] : const_cast<T*>(from);
        if (copy && inside)
          for (int64_t c = 0; c < channels; ++c) rows[tap][c] = from[c * src.channel];
      });
      move.take({taps, channels, rows.data(), columns});
    }
  }

  // Adds columns to the source pixels they came from, which become the channels from `first` of grad_src.
  void scatter_columns(T* columns, int64_t first, int64_t channels, T* grad_src) const {
    for (int64_t i = 0; i < p.images * p.in_h * p.in_w; ++i)
      std::fill_n(grad_src + i * p.in_channels + first, channels, T(0));
    Scratch<T*> rows(taps);
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      for_taps(pixel, [&](int64_t tap, int64_t image, int64_t row, int64_t col, bool inside) {
        T* const to = grad_src + ((image * p.in_h + row) * p.in_w + col) * p.in_channels + first;
        rows[tap] = inside ? to : nullptr;
      });
      move.add({taps, channels, rows.data(), columns + pixel * channels * taps});
    }
  }

  // Whether the pixels of an output follow each other without gaps.
  bool dense(const ImageView<const T>& image) const {
    return image.channel == 1 && (out_w == 1 || image.col == p.out_channels) &&
           (per_image == out_w || image.row == out_w * p.out_channels) &&
           (p.images == 1 || image.image == per_image * p.out_channels);
  }
};

// rows[pixel][output channel], where they lie or copied.
template <class T>
class Rows {
 public:
  Rows(const Skinny<T>& s, ImageView<const T> image)
      : copy_(s.dense(image) ? 0 : s.pixels * s.p.out_channels), data_(image.data) {
    if (s.dense(image)) return;
    for (int64_t pixel = 0; pixel < s.pixels; ++pixel) {
      const T* from = image.data + pixel / s.per_image * image.image +
                      pixel % s.per_image / s.out_w * image.row + pixel % s.out_w * image.col;
      for (int64_t o = 0; o < s.p.out_channels; ++o)
        copy_[pixel * s.p.out_channels + o] = from[o * image.channel];
    }
    data_ = copy_.data();
  }
  const T* data() const { return data_; }

 private:
  Scratch<T> copy_;
  const T* data_;
};

}  // namespace

template <class T>
void skinny_forward(const Conv2dParams& p, ImageView<const T> src, const T* weight,
                    const ConvEpilogue<T>& epilogue, T* dst) {
  const Skinny<T> s(p);
  const auto multiply = [&](const T* columns, int64_t first_pixel, int64_t pixels, int64_t first,
                            int64_t end) {
    T* out = dst + first_pixel * p.out_channels;
    const T* bias = epilogue.bias == nullptr ? nullptr : epilogue.bias + first;
    s.kernel.dots({pixels, end - first, s.depth, columns, s.depth, weight + first * s.depth, s.depth,
                   out + first, p.out_channels, 1, false, bias, 0, 1});
    if (epilogue.residual == nullptr && !epilogue.relu) return;
    for (int64_t pixel = first_pixel; pixel < first_pixel + pixels; ++pixel)
      for (int64_t i = pixel * p.out_channels + first; i < pixel * p.out_channels + end; ++i) {
        if (epilogue.residual != nullptr) dst[i] += epilogue.residual[i];
        if (epilogue.relu && dst[i] < T(0)) dst[i] = T(0);
      }
  };
  if (s.pixels >= kPartPixels && s.depth * p.out_channels <= kCachedWeights) {
    parallel_for(s.pixels, round_up((s.pixels + kPieces - 1) / kPieces, 4), [&](int64_t first, int64_t end) {
      Scratch<T> columns((end - first) * s.depth);
      s.gather_columns(src, first, end, 0, p.in_channels, columns.data(), s.depth);
      multiply(columns.data(), first, end - first, 0, p.out_channels);
    });
    return;
  }
  Scratch<T> columns(s.pixels * s.depth);
  s.for_channels([&](int64_t first, int64_t end) {
    s.gather_columns(src, 0, s.pixels, first, end - first, columns.data() + first * s.taps, s.depth);
  });
  const int64_t grain = round_up(kPieceWork / std::max<int64_t>(1, s.pixels * s.depth), 4);
  parallel_for(p.out_channels, std::max<int64_t>(4, grain),
               [&](int64_t first, int64_t end) { multiply(columns.data(), 0, s.pixels, first, end); });
}

template <class T>
void skinny_grad_src(const Conv2dParams& p, ImageView<const T> grad_dst, const T* weight, T* grad_src) {
  const Skinny<T> s(p);
  const Rows<T> grad(s, grad_dst);
  const int64_t rows = even_rows(s.pixels, s.kernel.mr), outputs = p.out_channels;
  Scratch<T> packed(round_up(s.pixels, rows) * outputs);
  for (int64_t i = 0; i < s.pixels; i += rows)
    s.kernel.pack({std::min(rows, s.pixels - i), rows, outputs, grad.data() + i * outputs, outputs, 1,
                   packed.data() + i * outputs});
  s.for_channels([&](int64_t first, int64_t end) {
    const int64_t width = (end - first) * s.taps;
    Scratch<T> columns(s.pixels * width);
    for (int64_t k = 0; k < outputs; k += kChain) {
      const T* a = packed.data() + k * rows;
      s.kernel.block({s.pixels, width, std::min(kChain, outputs - k), rows, 1, &a, rows * outputs, rows,
                      weight + k * s.depth + first * s.taps, s.kernel.nr, s.depth, 0, columns.data(), width,
                      k > 0, nullptr});
    }
    s.scatter_columns(columns.data(), first, end - first, grad_src);
  });
}

template <class T>
void skinny_grad_weight(const Conv2dParams& p, ImageView<const T> src, ImageView<const T> grad_dst,
                        T* grad_weight) {
  const Skinny<T> s(p);
  const Rows<T> grad(s, grad_dst);
  const int64_t rows = even_rows(p.out_channels, s.kernel.mr);
  s.for_channels([&](int64_t first, int64_t end) {
    const int64_t width = (end - first) * s.taps;
    Scratch<T> columns(s.pixels * width);
    s.gather_columns(src, 0, s.pixels, first, end - first, columns.data(), width);
    // A few rows at a time, written from end to end.
    for (int64_t o = 0; o < p.out_channels; o += rows)
      for (int64_t k = 0; k < s.pixels; k += kChainPixels) {
        const T* a = grad.data() + k * p.out_channels + o;
        s.kernel.block({std::min(rows, p.out_channels - o), width, std::min(kChainPixels, s.pixels - k), rows,
                        1, &a, 0, p.out_channels, columns.data() + k * width, s.kernel.nr, width, 0,
                        grad_weight + o * s.depth + first * s.taps, s.depth, k > 0, nullptr});
      }
  });
}

#define RUSHLIGHT_INSTANTIATE(T)                                                                             \
  template void skinny_forward<T>(const Conv2dParams&, ImageView<const T>, const T*, const ConvEpilogue<T>&, \
                                  T*);                                                                       \
  template void skinny_grad_src<T>(const Conv2dParams&, ImageView<const T>, const T*, T*);                   \
  template void skinny_grad_weight<T>(const Conv2dParams&, ImageView<const T>, ImageView<const T>, T*);
RUSHLIGHT_INSTANTIATE(float)
RUSHLIGHT_INSTANTIATE(double)

}  // namespace rushlight::kernels

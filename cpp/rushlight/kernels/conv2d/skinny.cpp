#include "rushlight/kernels/conv2d/skinny.h"

#include <algorithm>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/base/trace.h"
#include "rushlight/kernels/conv2d/pixel_columns.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kPieceWork = 1 << 17;
// From so many pixels, and for weights that stay in the L2 cache, every thread gathers its own pixels:
// columns that another core wrote are slow to read.
constexpr int64_t kPartPixels = 32, kCachedWeights = 1 << 18;
constexpr int64_t kChain = 32;        // rows of weights at a time, read from end to end
constexpr int64_t kChainPixels = 16;  // of a weight's gradient: longer sums are less exact than PyTorch's

template <class T>
struct Skinny : PixelColumns<T> {
  const GemmKernel<T>& kernel = select_gemm<T>(active_isa());
  const FlushDenormals flush;

  explicit Skinny(const Conv2dParams& params) : PixelColumns<T>(params) {
    trace::note_kernel(kernel.name);
    trace::note_flop(2.0 * static_cast<double>(params.work()));
  }
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
    parallel_for(s.pixels, s.round_up((s.pixels + s.kPieces - 1) / s.kPieces, 4),
                 [&](int64_t first, int64_t end) {
                   Scratch<T> columns((end - first) * s.depth);
                   s.gather(src, first, end, 0, p.in_channels, columns.data(), s.depth);
                   multiply(columns.data(), first, end - first, 0, p.out_channels);
                 });
    return;
  }
  Scratch<T> columns(s.pixels * s.depth);
  s.for_channels([&](int64_t first, int64_t end) {
    s.gather(src, 0, s.pixels, first, end - first, columns.data() + first * s.taps, s.depth);
  });
  const int64_t grain = s.round_up(kPieceWork / std::max<int64_t>(1, s.pixels * s.depth), 4);
  parallel_for(p.out_channels, std::max<int64_t>(4, grain),
               [&](int64_t first, int64_t end) { multiply(columns.data(), 0, s.pixels, first, end); });
}

template <class T>
void skinny_grad_src(const Conv2dParams& p, ImageView<const T> grad_dst, const T* weight, T* grad_src) {
  const Skinny<T> s(p);
  const PixelRows<T> grad(s, grad_dst);
  const int64_t rows = even_rows(s.pixels, s.kernel.mr), outputs = p.out_channels;
  Scratch<T> packed(s.round_up(s.pixels, rows) * outputs);
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
    s.scatter(columns.data(), width, end - first, grad_src + first, p.in_channels);
  });
}

template <class T>
void skinny_grad_weight(const Conv2dParams& p, ImageView<const T> src, ImageView<const T> grad_dst,
                        T* grad_weight) {
  const Skinny<T> s(p);
  const PixelRows<T> grad(s, grad_dst);
  const int64_t rows = even_rows(p.out_channels, s.kernel.mr);
  s.for_channels([&](int64_t first, int64_t end) {
    const int64_t width = (end - first) * s.taps;
    Scratch<T> columns(s.pixels * width);
    s.gather(src, 0, s.pixels, first, end - first, columns.data(), width);
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

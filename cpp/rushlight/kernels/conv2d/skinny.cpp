#include "rushlight/kernels/conv2d/skinny.h"

#include <algorithm>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/base/trace.h"
#include "rushlight/kernels/conv2d/pixel_columns.h"
#include "rushlight/kernels/gemm/gemm.h"
#include "rushlight/kernels/gemm/outer_sum.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kPieceWork = 1 << 17;
constexpr int64_t kChain = 32;  // rows of weights at a time, read from end to end

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
  Scratch<T> columns(s.pixels * s.depth);
  s.for_channels([&](int64_t first, int64_t end) {
    s.gather(src, 0, s.pixels, first, end - first, columns.data() + first * s.taps, s.depth);
  });
  // A thread reads weights of its own: lines that both cores hold are slow to change afterwards.
  const int64_t grain = s.round_up(kPieceWork / std::max<int64_t>(1, s.pixels * s.depth), 4);
  parallel_for(p.out_channels, std::max<int64_t>(4, grain), [&](int64_t first, int64_t end) {
    const T* bias = epilogue.bias == nullptr ? nullptr : epilogue.bias + first;
    s.kernel.dots({s.pixels, end - first, s.depth, columns.data(), s.depth, weight + first * s.depth, s.depth,
                   dst + first, p.out_channels, 1, false, bias, 0, 1});
    if (epilogue.residual == nullptr && !epilogue.relu) return;
    for (int64_t pixel = 0; pixel < s.pixels; ++pixel)
      for (int64_t i = pixel * p.out_channels + first; i < pixel * p.out_channels + end; ++i) {
        if (epilogue.residual != nullptr) dst[i] += epilogue.residual[i];
        if (epilogue.relu && dst[i] < T(0)) dst[i] = T(0);
      }
  });
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
  s.for_channels([&](int64_t first, int64_t end) {
    const int64_t width = (end - first) * s.taps;
    Scratch<T> columns(s.pixels * width);
    s.gather(src, 0, s.pixels, first, end - first, columns.data(), width);
    multiply_outer(s.pixels, grad.data(), p.out_channels, columns.data(), width, width,
                   grad_weight + first * s.taps, s.depth);
  });
}

void skinny_factors(const Conv2dParams& p, ImageView<const float> src, ImageView<const float> grad_dst,
                    float* left, float* right) {
  const Skinny<float> s(p);
  const PixelRows<float> grad(s, grad_dst);
  std::copy_n(grad.data(), s.pixels * p.out_channels, left);
  s.for_channels([&](int64_t first, int64_t end) {
    s.gather(src, 0, s.pixels, first, end - first, right + first * s.taps, s.depth);
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

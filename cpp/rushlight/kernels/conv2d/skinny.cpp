#include "rushlight/kernels/conv2d/skinny.h"

#include <algorithm>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kChannelGrain = 64;

int64_t pixels(const Conv2dParams& p) { return p.images * p.out_h() * p.out_w(); }
int64_t depth(const Conv2dParams& p) { return p.in_channels * p.taps(); }

// Calls f(pixel, column of tap (i, j) without the channel, source row, source column) for every tap inside
// the source.
template <class F>
void for_each_tap(const Conv2dParams& p, F&& f) {
  const int64_t out_h = p.out_h(), out_w = p.out_w();
  for (int64_t pixel = 0; pixel < pixels(p); ++pixel) {
    const int64_t top = pixel / out_w % out_h * p.stride_h - p.pad_h;
    const int64_t left = pixel % out_w * p.stride_w - p.pad_w;
    for (int64_t i = 0; i < p.kernel_h; ++i)
      for (int64_t j = 0; j < p.kernel_w; ++j) {
        const int64_t row = top + i * p.dilation_h, col = left + j * p.dilation_w;
        if (row >= 0 && row < p.in_h && col >= 0 && col < p.in_w) f(pixel, i * p.kernel_w + j, row, col);
      }
  }
}

// columns[pixel][channel][tap]: what every output pixel reads, zeros in the padding.
template <class T>
void gather_columns(const Conv2dParams& p, ImageView<const T> src, T* columns) {
  const int64_t per_image = p.out_h() * p.out_w();
  parallel_for(p.in_channels, kChannelGrain, [&](int64_t begin, int64_t end) {
    for (int64_t pixel = 0; pixel < pixels(p); ++pixel)
      std::fill_n(columns + pixel * depth(p) + begin * p.taps(), (end - begin) * p.taps(), T(0));
    for_each_tap(p, [&](int64_t pixel, int64_t tap, int64_t row, int64_t col) {
      const T* from = src.data + pixel / per_image * src.image + row * src.row + col * src.col;
      T* to = columns + pixel * depth(p) + tap;
      for (int64_t c = begin; c < end; ++c) to[c * p.taps()] = from[c * src.channel];
    });
  });
}

// Adds columns[pixel][channel][tap] to the source pixels they came from.
template <class T>
void scatter_columns(const Conv2dParams& p, const T* columns, T* grad_src) {
  const int64_t per_image = p.out_h() * p.out_w();
  parallel_for(p.in_channels, kChannelGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < p.images * p.in_h * p.in_w; ++i)
      std::fill(grad_src + i * p.in_channels + begin, grad_src + i * p.in_channels + end, T(0));
    for_each_tap(p, [&](int64_t pixel, int64_t tap, int64_t row, int64_t col) {
      const T* from = columns + pixel * depth(p) + tap;
      T* to = grad_src + ((pixel / per_image * p.in_h + row) * p.in_w + col) * p.in_channels;
      for (int64_t c = begin; c < end; ++c) to[c] += from[c * p.taps()];
    });
  });
}

// rows[pixel][channel]
template <class T>
void gather_pixels(const Conv2dParams& p, ImageView<const T> image, T* rows) {
  const int64_t out_h = p.out_h(), out_w = p.out_w();
  for (int64_t pixel = 0; pixel < pixels(p); ++pixel) {
    const T* from = image.data + pixel / (out_h * out_w) * image.image + pixel / out_w % out_h * image.row +
                    pixel % out_w * image.col;
    for (int64_t c = 0; c < p.out_channels; ++c) rows[pixel * p.out_channels + c] = from[c * image.channel];
  }
}

}  // namespace

template <class T>
void skinny_forward(const Conv2dParams& p, ImageView<const T> src, const T* weight,
                    const ConvEpilogue<T>& epilogue, T* dst) {
  Scratch<T> columns(pixels(p) * depth(p));
  gather_columns(p, src, columns.data());
  GemmArgs<T> product;
  product.m = pixels(p), product.n = p.out_channels, product.k = depth(p);
  product.a = columns.data(), product.a_row = product.k, product.a_col = 1;
  product.b = weight, product.b_row = 1, product.b_col = product.k;
  product.c = dst, product.c_row = product.n;
  product.bias = epilogue.bias;
  gemm(product);
  for (int64_t i = 0; i < product.m * product.n; ++i) {
    if (epilogue.residual != nullptr) dst[i] += epilogue.residual[i];
    if (epilogue.relu && dst[i] < T(0)) dst[i] = T(0);
  }
}

template <class T>
void skinny_grad_src(const Conv2dParams& p, ImageView<const T> grad_dst, const T* weight, T* grad_src) {
  Scratch<T> rows(pixels(p) * p.out_channels);
  Scratch<T> columns(pixels(p) * depth(p));
  gather_pixels(p, grad_dst, rows.data());
  GemmArgs<T> product;
  product.m = pixels(p), product.n = depth(p), product.k = p.out_channels;
  product.a = rows.data(), product.a_row = product.k, product.a_col = 1;
  product.b = weight, product.b_row = product.n, product.b_col = 1;
  product.c = columns.data(), product.c_row = product.n;
  gemm(product);
  scatter_columns(p, columns.data(), grad_src);
}

template <class T>
void skinny_grad_weight(const Conv2dParams& p, ImageView<const T> src, ImageView<const T> grad_dst,
                        T* grad_weight) {
  Scratch<T> rows(pixels(p) * p.out_channels);
  Scratch<T> columns(pixels(p) * depth(p));
  gather_pixels(p, grad_dst, rows.data());
  gather_columns(p, src, columns.data());
  GemmArgs<T> product;
  product.m = p.out_channels, product.n = depth(p), product.k = pixels(p);
  product.a = rows.data(), product.a_row = 1, product.a_col = product.m;
  product.b = columns.data(), product.b_row = product.n, product.b_col = 1;
  product.c = grad_weight, product.c_row = product.n;
  gemm(product);
}

#define RUSHLIGHT_INSTANTIATE(T)                                                                             \
  template void skinny_forward<T>(const Conv2dParams&, ImageView<const T>, const T*, const ConvEpilogue<T>&, \
                                  T*);                                                                       \
  template void skinny_grad_src<T>(const Conv2dParams&, ImageView<const T>, const T*, T*);                   \
  template void skinny_grad_weight<T>(const Conv2dParams&, ImageView<const T>, ImageView<const T>, T*);
RUSHLIGHT_INSTANTIATE(float)
RUSHLIGHT_INSTANTIATE(double)

}  // namespace rushlight::kernels

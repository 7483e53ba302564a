// Few output pixels as matrices: what each reads of the source, in the order of OIHW weights, and its own
// channels.
#pragma once

#include <algorithm>
#include <cstdint>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/kernels/conv2d/conv2d_levels.h"

namespace rushlight::kernels {

// Kernels of a level: see columns.h. Without `add` for bfloat16, whose sums are float32.
template <class T>
struct ColumnKernels {
  void (*take)(const TapColumns<T>&);
  void (*add)(const TapColumns<T>&);
};
template <class T>
ColumnKernels<T> column_kernels();

// Of a convolution without groups.
template <class T>
struct PixelColumns {
  static constexpr int64_t kPieces = 8;  // input channels are cut into so many, where there are enough

  const Conv2dParams& p;
  const ColumnKernels<T> move = column_kernels<T>();
  const int64_t out_w = p.out_w(), per_image = p.out_h() * out_w;
  const int64_t pixels = p.images * per_image, taps = p.taps(), depth = p.in_channels * taps;

  explicit PixelColumns(const Conv2dParams& params) : p(params) {}

  static int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

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
  void gather(ImageView<const T> src, int64_t first_pixel, int64_t end_pixel, int64_t first, int64_t channels,
              T* columns, int64_t pitch) const {
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

  // Adds columns (rows of `pitch` numbers) to the source pixels they came from: `channels` of them, which lie
  // `apart` numbers from each other and begin as zeros.
  void scatter(T* columns, int64_t pitch, int64_t channels, T* source, int64_t apart) const {
    for (int64_t i = 0; i < p.images * p.in_h * p.in_w; ++i) std::fill_n(source + i * apart, channels, T(0));
    Scratch<T*> rows(taps);
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      for_taps(pixel, [&](int64_t tap, int64_t image, int64_t row, int64_t col, bool inside) {
        T* const to = source + ((image * p.in_h + row) * p.in_w + col) * apart;
        rows[tap] = inside ? to : nullptr;
      });
      move.add({taps, channels, rows.data(), columns + pixel * pitch});
    }
  }
};

// rows[pixel][output channel], where they lie or copied.
template <class T>
class PixelRows {
 public:
  PixelRows(const PixelColumns<T>& s, ImageView<const T> image)
      : copy_(dense(s, image) ? 0 : s.pixels * s.p.out_channels), data_(image.data) {
    if (dense(s, image)) return;
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
  // Whether pixels follow each other without gaps.
  static bool dense(const PixelColumns<T>& s, const ImageView<const T>& image) {
    return image.channel == 1 && (s.out_w == 1 || image.col == s.p.out_channels) &&
           (s.per_image == s.out_w || image.row == s.out_w * s.p.out_channels) &&
           (s.p.images == 1 || image.image == s.per_image * s.p.out_channels);
  }

  Scratch<T> copy_;
  const T* data_;
};

}  // namespace rushlight::kernels

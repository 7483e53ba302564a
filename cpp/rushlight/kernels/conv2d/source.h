// The images a convolution reads, as rows of pixels with contiguous channels and zeros around.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/kernels/conv2d/conv2d.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {

// Pixel pitch of a copy: pixels that a register tile reads together must not fall into the same few cache
// sets, as they do at large powers of two.
template <class T>
int64_t padded_pitch(int64_t channels, int64_t step) {
  const int64_t bytes = step * channels * static_cast<int64_t>(sizeof(T));
  return bytes % 1024 == 0 ? channels + 64 / static_cast<int64_t>(sizeof(T)) : channels;
}

// The same for bfloat16 tiles: rows of whole cache lines, not too regularly apart.
inline int64_t tile_pitch(int64_t channels) {
  if (channels < 32) return channels;
  const int64_t whole = (channels + 31) / 32 * 32;
  return whole % 256 == 0 ? whole + 32 : whole;
}

// Copies columns [col, col + cols) of one row, any part of which may lie outside the image (zeros), to
// dst[column * pitch + channel].
template <class T>
void copy_source_row(const ImageView<const T>& src, int64_t h, int64_t w, int64_t channels, int64_t image,
                     int64_t row, int64_t col, int64_t cols, int64_t pitch, T* dst) {
  const int64_t begin = row < 0 || row >= h ? cols : std::clamp<int64_t>(-col, 0, cols);
  const int64_t end = row < 0 || row >= h ? cols : std::clamp<int64_t>(w - col, begin, cols);
  std::fill(dst, dst + begin * pitch, T(0));
  std::fill(dst + end * pitch, dst + cols * pitch, T(0));
  if (begin >= end) return;
  const T* from = src.data + image * src.image + row * src.row + (col + begin) * src.col;
  T* to = dst + begin * pitch;
  if (src.channel == 1) {
    for (int64_t i = begin; i < end; ++i, from += src.col, to += pitch) {
      std::copy(from, from + channels, to);
      std::fill(to + channels, to + pitch, T(0));
    }
    return;
  }
  if constexpr (std::is_same_v<T, uint16_t>) {
    if (pitch > channels) std::fill(dst + begin * pitch, dst + end * pitch, T(0));
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = 0; i < end - begin; ++i) to[i * pitch + c] = from[c * src.channel + i * src.col];
  } else {  // channels become the lanes of a panel
    select_gemm<T>(active_isa()).pack({channels, pitch, end - begin, from, src.channel, src.col, to});
  }
}

// dst[row][column * pitch + channel] for every row of every image, `rows` from first_row on.
template <class T>
void copy_rows(const ImageView<const T>& src, int64_t h, int64_t w, int64_t channels, int64_t images,
               int64_t first_row, int64_t rows, int64_t first_col, int64_t cols, int64_t pitch, T* dst) {
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / (cols * pitch + 1));
  parallel_for(images * rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      copy_source_row(src, h, w, channels, i / rows, first_row + i % rows, first_col, cols, pitch,
                      dst + i * cols * pitch);
  });
}

// Images whose channels touch: those given, or a copy.
template <class T>
class TouchingChannels {
 public:
  TouchingChannels(const ImageView<const T>& src, int64_t images, int64_t h, int64_t w, int64_t channels)
      : copy_(src.channel == 1 ? 0 : images * h * w * channels), view_(src) {
    if (src.channel == 1) return;
    copy_rows(src, h, w, channels, images, 0, h, 0, w, channels, copy_.data());
    view_ = channels_last<const T>(copy_.data(), h, w, channels);
  }
  const ImageView<const T>& view() const { return view_; }

 private:
  Scratch<T> copy_;
  ImageView<const T> view_;
};

}  // namespace rushlight::kernels

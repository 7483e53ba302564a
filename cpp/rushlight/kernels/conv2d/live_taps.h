// The taps of a kernel that meet the source at all: of a 3 x 3 kernel on a map of a single padded pixel, one.
// The others multiply zeros only, and are not worth packing.
#pragma once

#include <algorithm>
#include <cstdint>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/kernels/conv2d/conv2d.h"

namespace rushlight::kernels {

// Along one axis: the first and the last that do, and all between.
struct LiveTaps {
  int64_t first = 0, count = 0;

  LiveTaps(int64_t kernel, int64_t dilation, int64_t stride, int64_t pad, int64_t in, int64_t out) {
    for (int64_t tap = 0; tap < kernel; ++tap) {
      const int64_t start = tap * dilation - pad;  // what the first output pixel reads
      const int64_t least = start >= 0 ? 0 : (-start + stride - 1) / stride;
      if (least >= out || least * stride + start >= in) continue;
      if (count == 0) first = tap;
      count = tap + 1 - first;
    }
  }
  bool has(int64_t tap) const { return tap >= first && tap < first + count; }
};

inline LiveTaps live_rows(const Conv2dParams& p) {
  return {p.kernel_h, p.dilation_h, p.stride_h, p.pad_h, p.in_h, p.out_h()};
}
inline LiveTaps live_cols(const Conv2dParams& p) {
  return {p.kernel_w, p.dilation_w, p.stride_w, p.pad_w, p.in_w, p.out_w()};
}

// Keeps the live taps of one axis; returns the source pixels before the first one needed, no longer part of
// the source.
inline int64_t keep_live(const LiveTaps& live, int64_t dilation, int64_t stride, int64_t out, int64_t& kernel,
                         int64_t& pad, int64_t& pad_end, int64_t& in) {
  pad -= live.first * dilation;
  const int64_t skipped = std::max<int64_t>(0, -pad);
  kernel = live.count;
  pad += skipped;
  const int64_t reach = (out - 1) * stride + (kernel - 1) * dilation + 1 - pad;
  in = std::min(in - skipped, reach);
  pad_end = reach - in;
  return skipped;
}

// Computes a weight gradient, zero where taps are not live, with `grad(params, src, grad_weight)`, which is
// given a problem without such taps.
template <class T, class W, class F>
bool grad_of_live_taps(const Conv2dParams& p, ImageView<const T> src, W* grad_weight, F&& grad) {
  const LiveTaps rows = live_rows(p), cols = live_cols(p);
  const int64_t taps = rows.count * cols.count;
  if (taps == p.taps()) return grad(p, src, grad_weight);
  Scratch<W> found(p.out_channels * p.group_in() * taps);
  if (taps > 0) {
    Conv2dParams part = p;
    src.data += src.row * keep_live(rows, p.dilation_h, p.stride_h, p.out_h(), part.kernel_h, part.pad_h,
                                    part.pad_h_end, part.in_h);
    src.data += src.col * keep_live(cols, p.dilation_w, p.stride_w, p.out_w(), part.kernel_w, part.pad_w,
                                    part.pad_w_end, part.in_w);
    if (!grad(part, src, found.data())) return false;
  }
  const int64_t kernels = p.group_in();
  parallel_for(
      p.out_channels, std::max<int64_t>(1, 4096 / (kernels * p.taps())), [&](int64_t begin, int64_t end) {
        std::fill(grad_weight + begin * kernels * p.taps(), grad_weight + end * kernels * p.taps(), W(0));
        for (int64_t i = begin * kernels; i < end * kernels; ++i)
          for (int64_t row = 0; row < rows.count; ++row)
            std::copy_n(&found[i * taps + row * cols.count], cols.count,
                        grad_weight + i * p.taps() + (rows.first + row) * p.kernel_w + cols.first);
      });
  return true;
}

}  // namespace rushlight::kernels

// The weight gradient: for every tap a matrix product (in_channels x pixels) (pixels x out_channels), with
// the register tiles of the GEMM reading both operands where they lie.
#include <algorithm>
#include <type_traits>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/base/trace.h"
#include "rushlight/kernels/conv2d/conv2d.h"
#include "rushlight/kernels/conv2d/depthwise.h"
#include "rushlight/kernels/conv2d/grad_weight.h"
#include "rushlight/kernels/conv2d/live_taps.h"
#include "rushlight/kernels/conv2d/output_sums.h"
#include "rushlight/kernels/conv2d/skinny.h"
#include "rushlight/kernels/conv2d/skinny_bf16.h"
#include "rushlight/kernels/conv2d/source.h"
#include "rushlight/kernels/conv2d/winograd.h"
#include "rushlight/kernels/gemm/gemm.h"
#include "rushlight/kernels/gemm/split.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kTasks = 32;  // wanted at least: output rows are cut into pieces with sums of their own
// Pixels, and products per packed number, from which tiles beat FMA, and where one product is enough.
constexpr int64_t kSplitPixels = 128, kSplitReuse = 40;
constexpr int64_t kBf16Pixels = 32, kBf16Reuse = 12;
constexpr int64_t kChainPixels = 32;   // summed in registers before they join the sum in memory
constexpr int64_t kBlockPixels = 224;  // of all taps, before the next

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The source as padded rows (or as it lies, if no tap leaves it), the output gradient as rows of pixels.
template <class T>
struct Operands {
  const T* src;
  int64_t src_image, src_row, src_pitch;
  const T* grad;
  int64_t grad_row, grad_pitch;
};

template <class T>
struct GradWeight {
  const Conv2dParams& p;
  const GemmKernel<T>& kernel;
  int64_t out_h, out_w, total_rows;
  int64_t blocks;                  // of outputs, in a group
  int64_t pieces, rows_per_piece;  // of output rows
  int64_t merged;                  // taps of a kernel row read as one run of channels

  GradWeight(const Conv2dParams& params, const GemmKernel<T>& row)
      : p(params),
        kernel(row),
        out_h(p.out_h()),
        out_w(p.out_w()),
        total_rows(p.images * out_h),
        blocks(ceil_div(p.group_out(), row.nr)),
        pieces(std::clamp<int64_t>(ceil_div(kTasks, p.groups * blocks), 1, total_rows)),
        rows_per_piece(ceil_div(total_rows, pieces)),
        merged(1) {
    pieces = ceil_div(total_rows, rows_per_piece);
  }

  int64_t tile_size() const { return p.taps() * p.group_in() * kernel.nr; }

  // Sums output rows [first, last) for one block of outputs into tile[tap][channel][output].
  void sum_rows(const Operands<T>& x, int64_t group, int64_t block, int64_t first, int64_t last,
                T* tile) const {
    const int64_t channels = merged * p.group_in();
    const int64_t segments = std::clamp<int64_t>(kChainPixels / out_w, 1, last - first);
    const int64_t together = std::max<int64_t>(kBlockPixels / out_w / segments, 1) * segments;
    const int64_t output = group * p.group_out() + block * kernel.nr;
    const int64_t columns = std::min(kernel.nr, p.group_out() - block * kernel.nr);
    const int64_t rows = even_rows(channels, kernel.mr);
    Scratch<const T*> starts(segments);
    for (int64_t start = first; start < last; start += together) {
      const int64_t end = std::min(start + together, last);
      for (int64_t tap = 0; tap < p.taps(); tap += merged) {
        const int64_t tap_row = tap / p.kernel_w * p.dilation_h, tap_col = tap % p.kernel_w * p.dilation_w;
        for (int64_t row = start; row < end; row += segments) {
          const int64_t count = std::min(segments, end - row);
          for (int64_t s = 0; s < count; ++s)
            starts[s] = x.src + (row + s) / out_h * x.src_image +
                        ((row + s) % out_h * p.stride_h + tap_row) * x.src_row + tap_col * x.src_pitch +
                        group * p.group_in();
          kernel.block({channels, columns, out_w, rows, count, starts.data(), rows, p.stride_w * x.src_pitch,
                        x.grad + row * x.grad_row + output, 0, x.grad_pitch, x.grad_row,
                        tile + tap * p.group_in() * kernel.nr, kernel.nr, row != first, nullptr});
        }
      }
    }
  }

  void run(const Operands<T>& x, T* grad_weight) const {
    Scratch<T> tiles(pieces * p.groups * blocks * tile_size());
    const auto tile = [&](int64_t piece, int64_t i) {
      return tiles.data() + (piece * p.groups * blocks + i) * tile_size();
    };
    parallel_for(pieces * p.groups * blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t piece = task / (p.groups * blocks), i = task % (p.groups * blocks);
        const int64_t first = piece * rows_per_piece;
        sum_rows(x, i / blocks, i % blocks, first, std::min(first + rows_per_piece, total_rows),
                 tile(piece, i));
      }
    });
    parallel_for(p.groups * blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        finish_outputs<T>(p, {tile(0, i), kernel.nr, pieces, p.groups * blocks * tile_size()}, i / blocks,
                          i % blocks * kernel.nr, grad_weight);
    });
  }
};

// Neither depthwise nor empty.
template <class T>
void sum_pixels(const Conv2dParams& p, ImageView<const T> src, ImageView<const T> grad_dst, T* grad_weight) {
  GradWeight<T> sum(p, select_gemm<T>(active_isa()));
  Operands<T> x{};
  if constexpr (std::is_same_v<T, float>)
    if (sum.kernel.split) {
      if (!split_grad_weight_fits(p, kSplitPixels, kSplitReuse))
        trace::note_refused("tiles: too few channels or pixels");
      else if (split_grad_weight(p, src, grad_dst, grad_weight))
        return;
      else
        trace::note_refused(kNotSplit);
    }
  // Rows of the gradient follow each other at one distance, over image boundaries too.
  const bool copy_grad =
      grad_dst.channel != 1 || (p.images > 1 && grad_dst.image != sum.out_h * grad_dst.row);
  Scratch<T> grad_copy(copy_grad ? p.images * sum.out_h * sum.out_w * p.out_channels : 0);
  if (copy_grad) {
    copy_rows(grad_dst, sum.out_h, sum.out_w, p.out_channels, p.images, 0, sum.out_h, 0, sum.out_w,
              p.out_channels, grad_copy.data());
    grad_dst = channels_last<const T>(grad_copy.data(), sum.out_h, sum.out_w, p.out_channels);
  }
  if constexpr (std::is_same_v<T, float>)
    if (!sum.kernel.split && winograd_grad_weight_fits(p)) {
      if (winograd_grad_weight(p, src, grad_dst, grad_weight)) return;
      trace::note_refused("winograd: values beyond 2^50");
    }
  trace::note_kernel(sum.kernel.name);
  x.grad = grad_dst.data, x.grad_row = grad_dst.row, x.grad_pitch = grad_dst.col;

  const int64_t rows = (sum.out_h - 1) * p.stride_h + (p.kernel_h - 1) * p.dilation_h + 1;
  const int64_t cols = (sum.out_w - 1) * p.stride_w + (p.kernel_w - 1) * p.dilation_w + 1;
  const bool copy_src = src.channel != 1 || p.pad_h > 0 || p.pad_w > 0 || rows > p.in_h || cols > p.in_w;
  const int64_t pitch = padded_pitch<T>(p.in_channels, p.stride_w);
  Scratch<T> src_copy(copy_src ? p.images * rows * cols * pitch : 0);
  x.src = src.data, x.src_image = src.image, x.src_row = src.row, x.src_pitch = src.col;
  if (copy_src) {
    copy_rows(src, p.in_h, p.in_w, p.in_channels, p.images, -p.pad_h, rows, -p.pad_w, cols, pitch,
              src_copy.data());
    x.src = src_copy.data(), x.src_image = rows * cols * pitch, x.src_row = cols * pitch, x.src_pitch = pitch;
  }
  if (p.groups == 1 && p.dilation_w == 1 && x.src_pitch == p.in_channels) sum.merged = p.kernel_w;
  sum.run(x, grad_weight);
}

}  // namespace

template <class T>
void conv2d_grad_weight(const Conv2dParams& p, ImageView<const T> src, ImageView<const T> grad_dst,
                        T* grad_weight) {
  if (p.images * p.out_h() * p.out_w() == 0) {
    std::fill_n(grad_weight, p.out_channels * p.group_in() * p.taps(), T(0));
    return;
  }
  const bool tiles =
      select_gemm<T>(active_isa()).split && split_grad_weight_fits(p, kSplitPixels, kSplitReuse);
  if (!tiles && skinny(p, kSkinnyGradWeight)) return skinny_grad_weight(p, src, grad_dst, grad_weight);
  trace::note_flop(2.0 * static_cast<double>(p.work()));
  const FlushDenormals flush;
  if (is_depthwise(p)) return depthwise_grad_weight(p, src, grad_dst, grad_weight);
  grad_of_live_taps(p, src, grad_weight, [&](const Conv2dParams& part, ImageView<const T> from, T* grad) {
    sum_pixels(part, from, grad_dst, grad);
    return true;
  });
}

template <class W>
bool conv2d_grad_weight_bf16(const Conv2dParams& p, ImageView<const uint16_t> src,
                             ImageView<const uint16_t> grad_dst, W* grad_weight) {
  if (has_bfloat16() && skinny_bf16_grad_weight_fits(p))
    return skinny_bf16_grad_weight(p, src, grad_dst, grad_weight);
  if (!has_bfloat16() || p.work() == 0) return false;
  if (!split_grad_weight_fits(p, kBf16Pixels, kBf16Reuse)) {
    trace::note_refused("bfloat16 tiles: too few channels or pixels");
    return false;
  }
  const FlushDenormals flush;
  const auto run = [&](const Conv2dParams& part, ImageView<const uint16_t> from, W* grad) {
    return split_grad_weight(part, from, grad_dst, grad);
  };
  if (!grad_of_live_taps(p, src, grad_weight, run)) {
    trace::note_refused(kNotFinite);
    return false;
  }
  trace::note_flop(2.0 * static_cast<double>(p.work()));
  return true;
}

template bool conv2d_grad_weight_bf16<float>(const Conv2dParams&, ImageView<const uint16_t>,
                                             ImageView<const uint16_t>, float*);
template bool conv2d_grad_weight_bf16<uint16_t>(const Conv2dParams&, ImageView<const uint16_t>,
                                                ImageView<const uint16_t>, uint16_t*);
template void conv2d_grad_weight<float>(const Conv2dParams&, ImageView<const float>, ImageView<const float>,
                                        float*);
template void conv2d_grad_weight<double>(const Conv2dParams&, ImageView<const double>,
                                         ImageView<const double>, double*);

}  // namespace rushlight::kernels

// The weight gradient on AMX tiles: see Note [Split products] in gemm/split.h.
//
// Note [Bands]
// For every tap it is a product (channels x positions) (positions x outputs). A step of it adds up 32
// positions, the lanes, which lie far apart: the same pixel of 32 bands, a band being an image or, where
// there are fewer images, a part of one. The next pixel of all bands is the next step. So the numbers of a
// channel in one step are a cache line, the channels of a pixel follow each other, and every tap, of any
// stride or dilation, of any batch, is the same lines read from another pixel on: 16 channels are a tile
// without gaps. The taps of a kernel row are one run of channels. Bands overlap by what the kernel reaches
// over.
//
// A task takes some rows of the bands, some channels of the source and some outputs, packs row by row what
// the kernel sees next into a ring that stays in its L2 cache, and multiplies it at once.
#include <algorithm>
#include <atomic>
#include <numeric>
#include <type_traits>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/base/trace.h"
#include "rushlight/kernels/conv2d/grad_weight.h"
#include "rushlight/kernels/conv2d/grad_weight_tiles.h"
#include "rushlight/kernels/conv2d/source.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kChain = 14;              // most steps summed in tiles before they join the sum in memory,
constexpr int64_t kFewChain = 28;           // of few channels, whose rings are refilled too often otherwise,
constexpr int64_t kTapChain = 8;            // of a single tap, whose products read them twice
constexpr int64_t kTasks = 8;               // wanted at least: rows are cut into pieces otherwise
constexpr int64_t kTaskChannels = 64;       // of a task,
constexpr int64_t kPixelChannels = 256;     // where one tap leaves room for them; it keeps in its L2 cache
constexpr int64_t kRingBytes = 640 << 10;   // so much of the source, about,
constexpr int64_t kTaskBytes = 1280 << 10;  // and of packed outputs and sums as well
constexpr int64_t kFewChannels = 16;        // pixels of fewer are not worth a look each

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// One direction of an image. Position x of the source is pixel x * step - pad: those between are never read.
// Position y of the result reads y * stride + k * dilation for tap k.
struct Axis {
  int64_t out, in, pad, step, stride, dilation, reach;
  int64_t bands = 1, size;  // of the result
  Axis(int64_t out_, int64_t in_, int64_t pad_, int64_t kernel, int64_t stride_, int64_t dilation_)
      : out(out_), in(in_), pad(pad_), step(kernel > 1 ? std::gcd(stride_, dilation_) : stride_) {
    stride = stride_ / step, dilation = kernel > 1 ? dilation_ / step : 0;
    reach = (kernel - 1) * dilation;
    cut(1);
  }
  void cut(int64_t count) { bands = count, size = ceil_div(out, count); }
  int64_t seen(int64_t count) const { return (count - 1) * stride + reach + 1; }  // by `count` positions
};

// clang-format off
#define RUSHLIGHT_LANE_KERNEL(parts, products)                                               \
  {"conv2d_grad_weight_f32_x" #products "_amx", parts, RUSHLIGHT_AMX(&amx::lane_turn_##parts), RUSHLIGHT_AMX(&amx::lane_pair_##parts), \
   RUSHLIGHT_AMX(&amx::lane_multiply_##parts)}
// clang-format on
const LaneKernel<float> kKernels[] = {RUSHLIGHT_LANE_KERNEL(1, 1), RUSHLIGHT_LANE_KERNEL(2, 3),
                                      RUSHLIGHT_LANE_KERNEL(3, 6)};
#undef RUSHLIGHT_LANE_KERNEL

const LaneKernel<uint16_t> kNarrowKernel{
    "conv2d_grad_weight_bf16_amx", 1, RUSHLIGHT_AMX(&amx::lane_turn_bf16),
    RUSHLIGHT_AMX(&amx::lane_pair_bf16), RUSHLIGHT_AMX(&amx::lane_multiply_1)};

template <class T>
const LaneKernel<T>& lane_kernel() {
  if constexpr (std::is_same_v<T, float>)
    return kKernels[split_parts() - 1];
  else
    return kNarrowKernel;
}

// What the lanes read: pixels (row[lane], col[lane] + x * step) for x = 0, 1 ...; row -1: zeros.
template <class T>
struct LaneRows {
  ImageView<const T> view;
  int64_t h, w, step;
  int64_t image[kLanes], row[kLanes], col[kLanes];

  bool has(int64_t lane) const { return row[lane] >= 0 && row[lane] < h; }
  const T* at(int64_t lane, int64_t x) const {
    const int64_t j = col[lane] + x * step;
    if (!has(lane) || j < 0 || j >= w) return nullptr;
    return view.data + image[lane] * view.image + row[lane] * view.row + j * view.col;
  }
  // Calls body(pointers, x, n) for x in [0, count) in order, n positions at once where no lane begins or
  // ends.
  template <class Body>
  void runs(int64_t count, const Body& body) const {
    int64_t begin = 0, end = count;
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      if (!has(lane)) continue;
      begin = std::max(begin, ceil_div(std::max<int64_t>(0, -col[lane]), step));
      end = std::min(end, ceil_div(std::max<int64_t>(0, w - col[lane]), step));
    }
    const T* pointers[kLanes];
    for (int64_t x = 0; x < count;) {
      const int64_t n = x == begin && end > begin ? end - begin : 1;
      for (int64_t lane = 0; lane < kLanes; ++lane) pointers[lane] = at(lane, x);
      body(pointers, x, n);
      x += n;
    }
  }
};

// How the source is read: pixels that follow each other as one run of numbers, pixel by pixel, the pixels of
// a channel, or a copy of the first kind.
enum class Way { Dense, Pixels, Planes, Copy };

// Of one group. W: of the result.
template <class T, class W>
class SplitGradWeight {
 public:
  SplitGradWeight(const Conv2dParams& p, ImageView<const T> src, ImageView<const T> grad)
      : p_(p),
        kernel_(lane_kernel<T>()),
        src_(src),
        grad_(grad),
        vertical_(p.out_h(), p.in_h, p.pad_h, p.kernel_h, p.stride_h, p.dilation_h),
        horizontal_(p.out_w(), p.in_w, p.pad_w, p.kernel_w, p.stride_w, p.dilation_w),
        merged_(horizontal_.dilation == 1 ? p.kernel_w : 1),
        channels_(std::min(p.in_channels, p.taps() == 1 ? kPixelChannels : kTaskChannels)) {
    const int64_t pixel = src.col * horizontal_.step;
    way_ = src.channel == 1 && pixel == p.in_channels && p.in_channels == channels_ ? Way::Dense
           : src.channel == 1 && p.in_channels >= kFewChannels                      ? Way::Pixels
           : pixel == 1                                                             ? Way::Planes
                                                                                    : Way::Copy;
    ring_rows_ = vertical_.reach + 1;
    channel_ranges_ = ceil_div(p.in_channels, channels_);
    cut_bands();
    cut_task();
    cols_seen_ = horizontal_.seen(cols_);
    slot_ = cols_seen_ * channels_ * kLanes;
    groups_ = ceil_div(p_.images * vertical_.bands * horizontal_.bands, kLanes);
    rows_ = groups_ * strips_ * vertical_.size;
    const int64_t ranges = channel_ranges_ * output_ranges_;
    pieces_ = std::min(ceil_div(kTasks, ranges), rows_);
    run_sums_ = ceil_div(merged_ * channels_, 32) * panels_ * kSumBlock;
    task_sums_ = p.taps() / merged_ * run_sums_;
  }

  bool run(W* grad_weight) {
    std::atomic<bool> finite{true};
    const auto note = [&](bool fine) {
      if (!fine) finite.store(false, std::memory_order_relaxed);
    };
    const int64_t ranges = channel_ranges_ * output_ranges_;
    Scratch<float> shared(pieces_ > 1 ? pieces_ * ranges * task_sums_ : 0);
    parallel_for(pieces_ * ranges, 1, [&](int64_t begin, int64_t end) {
      Scratch<float> own(pieces_ > 1 ? 0 : task_sums_);
      for (int64_t task = begin; task < end; ++task) {
        const Range range = range_of(task % ranges);
        float* sums = pieces_ > 1 ? shared.data() + task * task_sums_ : own.data();
        const int64_t piece = task / ranges;
        add_up(range, piece * rows_ / pieces_, (piece + 1) * rows_ / pieces_, sums);
        if (pieces_ > 1) continue;
        for (int64_t panel = 0; panel < range.panels; ++panel)
          note(finish(range, panel, sums, 0, grad_weight));
      }
    });
    if (pieces_ > 1)
      parallel_for(ranges * panels_, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const Range range = range_of(i / panels_);
          if (i % panels_ < range.panels)
            note(finish(range, i % panels_, shared.data() + i / panels_ * task_sums_, ranges * task_sums_,
                        grad_weight));
        }
      });
    if (!finite.load()) return false;
    trace::note_kernel(kernel_.name);
    return true;
  }

 private:
  struct Range {
    int64_t channel, channels;  // of the source
    int64_t output, outputs, panels;
  };
  Range range_of(int64_t i) const {
    const int64_t channel = i / output_ranges_ * channels_, width = panels_ * kPanelColumns;
    const int64_t output = i % output_ranges_ * width, outputs = std::min(width, p_.out_channels - output);
    return {channel, std::min(channels_, p_.in_channels - channel), output, outputs,
            ceil_div(outputs, kPanelColumns)};
  }

  // Strips of columns and ranges of outputs that keep what a task works on in its L2 cache.
  void cut_task() {
    const int64_t parts = kernel_.parts, pixel = ring_rows_ * channels_ * parts * kLanes * 2;
    const int64_t chain = p_.taps() == 1 ? kTapChain : p_.in_channels < kFewChannels ? kFewChain : kChain;
    strips_ =
        ceil_div(horizontal_.size, std::clamp<int64_t>(kRingBytes / (horizontal_.stride * pixel), 4, chain));
    cols_ = ceil_div(horizontal_.size, strips_);
    strips_ = ceil_div(horizontal_.size, cols_);
    const int64_t panels = ceil_div(p_.out_channels, kPanelColumns);
    const int64_t panel = 2 * cols_ * parts * 2 * kLaneTile + 4 * p_.taps() * channels_ * kPanelColumns;
    const int64_t room = std::max(panel, kTaskBytes - horizontal_.seen(cols_) * pixel);
    output_ranges_ = ceil_div(panels, std::min(panels, room / panel));
    panels_ = ceil_div(panels, output_ranges_);
    output_ranges_ = ceil_div(panels, panels_);
  }

  // Into as many bands as make the least work: of steps, of sums that leave the tiles, and of packing what
  // bands share.
  void cut_bands() {
    const auto c = static_cast<double>(p_.in_channels), o = static_cast<double>(p_.out_channels);
    const double sums = static_cast<double>(p_.taps()) * c * o, parts = static_cast<double>(kernel_.parts);
    const double step = 0.035 * parts * (parts + 1) * sums + 9 * o, chain = 0.3 * sums;  // cycles
    double least = -1;
    Axis best_v = vertical_, best_h = horizontal_, &v = vertical_, &h = horizontal_;
    for (int64_t i = 1; i <= std::min(kLanes, v.out); ++i)
      for (int64_t j = 1; j <= std::min(kLanes / i, h.out); ++j) {
        v.cut(i), h.cut(j);
        cut_task();
        const auto steps = static_cast<double>(v.size * h.size),
                   chains = static_cast<double>(v.size * strips_);
        const auto seen = static_cast<double>(v.seen(v.size) * strips_ * h.seen(cols_) * output_ranges_);
        const auto groups = static_cast<double>(ceil_div(p_.images * i * j, kLanes));
        const double cost = groups * (steps * step + chains * chain + seen * 14 * c);
        if (least >= 0 && cost >= least) continue;
        least = cost, best_v = v, best_h = h;
      }
    vertical_ = best_v, horizontal_ = best_h;
  }

  // The lanes of a group, for position (row, col) of the result and (i, j) further on in the source.
  LaneRows<T> lanes(int64_t group, int64_t row, int64_t col, bool source) const {
    const Axis &v = vertical_, &h = horizontal_;
    LaneRows<T> x = source ? LaneRows<T>{src_, p_.in_h, p_.in_w, h.step, {}, {}, {}}
                           : LaneRows<T>{grad_, v.out, h.out, 1, {}, {}, {}};
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const int64_t band = group * kLanes + lane;
      x.image[lane] = band / (v.bands * h.bands);
      const int64_t top = band / h.bands % v.bands * v.size, left = band % h.bands * h.size;
      x.row[lane] = source ? (top * v.stride + row) * v.step - v.pad : top + row;
      x.col[lane] = source ? ((left + col) * h.stride) * h.step - h.pad : left + col;
      if (x.image[lane] >= p_.images) x.row[lane] = -1;
    }
    return x;
  }

  // The sums of a range over rows [first, last).
  void add_up(const Range& range, int64_t first, int64_t last, float* sums) const {
    const int64_t part = ring_rows_ * slot_;
    Scratch<uint16_t> ring(kernel_.parts * part);
    Scratch<uint16_t> panels(range.panels * cols_ * kernel_.parts * 2 * kLaneTile);
    Scratch<T> pixels(way_ == Way::Copy ? kLanes * cols_seen_ * channels_ : 0);
    Scratch<T> outputs(grad_.channel == 1 ? 0 : kLanes * cols_ * range.outputs);
    int64_t steps[kFewChain];
    for (int64_t s = 0; s < cols_; ++s) steps[s] = s * horizontal_.stride * range.channels * kLanes;
    int64_t ready = 0;  // rows of the source below this one are in the ring
    for (int64_t i = first; i < last; ++i) {
      const int64_t group = i / vertical_.size / strips_, row = i % vertical_.size;
      const int64_t col = i / vertical_.size % strips_ * cols_;
      const int64_t cols = std::min(cols_, horizontal_.size - col);  // what follows is the next band's
      if (i == first || row == 0) ready = 0;
      const int64_t top = row * vertical_.stride;
      for (ready = std::max(ready, top); ready <= top + vertical_.reach; ++ready)
        turn_row(range, lanes(group, ready, col, true), pixels.data(),
                 ring.data() + ready % ring_rows_ * slot_);
      pair_row(range, lanes(group, row, col, false), cols, outputs.data(), panels.data());
      for (int64_t tap = 0; tap < p_.taps(); tap += merged_) {
        const int64_t down = tap / p_.kernel_w * vertical_.dilation;
        const int64_t right = tap % p_.kernel_w * horizontal_.dilation;
        kernel_.multiply({merged_ * range.channels, range.panels, cols,
                          ring.data() + (top + down) % ring_rows_ * slot_ + right * range.channels * kLanes,
                          part, steps, panels.data(), sums + tap / merged_ * run_sums_, i > first,
                          p_.taps() == 1});  // PyTorch's sums of kernels with one tap are as short
      }
    }
  }

  // One row of the gradient into panels.
  void pair_row(const Range& range, LaneRows<T> rows, int64_t cols, T* outputs, uint16_t* panels) const {
    const int64_t step = kernel_.parts * 2 * kLaneTile;
    rows.view.data += range.output * rows.view.channel;
    if (rows.view.channel == 1) {
      rows.runs(cols, [&](const T* const* pointers, int64_t x, int64_t n) {
        kernel_.pair({pointers, n, rows.view.col, range.outputs, panels + x * step, step, 0, cols * step});
      });
      return;
    }
    const T* pointers[kLanes] = {};
    for (int64_t lane = 0; lane < kLanes; ++lane, outputs += cols * range.outputs)
      if (rows.has(lane)) {
        pointers[lane] = outputs;
        copy_source_row(rows.view, rows.h, rows.w, range.outputs, rows.image[lane], rows.row[lane],
                        rows.col[lane], cols, range.outputs, outputs);
      }
    kernel_.pair({pointers, cols, range.outputs, range.outputs, panels, step, 0, cols * step});
  }

  // One row of the source into its slot of the ring.
  void turn_row(const Range& range, LaneRows<T> rows, T* pixels, uint16_t* slot) const {
    const int64_t part = ring_rows_ * slot_, channels = range.channels;
    rows.view.data += range.channel * rows.view.channel;
    if (way_ == Way::Pixels || way_ == Way::Dense) {
      rows.runs(cols_seen_, [&](const T* const* pointers, int64_t x, int64_t n) {
        const int64_t positions = way_ == Way::Dense ? 1 : n;
        kernel_.turn({pointers, positions, rows.step * rows.view.col, n / positions * channels,
                      slot + x * channels * kLanes, channels * kLanes, kLanes, part});
      });
      return;
    }
    if (way_ == Way::Planes) {
      for (int64_t c = 0; c < channels; ++c, rows.view.data += rows.view.channel)
        rows.runs(cols_seen_, [&](const T* const* pointers, int64_t x, int64_t n) {
          kernel_.turn({pointers, 1, 0, n, slot + (x * channels + c) * kLanes, 0, channels * kLanes, part});
        });
      return;
    }
    const T* pointers[kLanes];
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      pointers[lane] = rows.has(lane) ? pixels + lane * cols_seen_ * channels : nullptr;
      if (!rows.has(lane)) continue;
      ImageView<const T> view = rows.view;  // of the columns that are read
      const int64_t pixel = (rows.col[lane] % rows.step + rows.step) % rows.step;
      view.data += pixel * view.col, view.col *= rows.step;
      copy_source_row(view, rows.h, ceil_div(rows.w - pixel, rows.step), channels, rows.image[lane],
                      rows.row[lane], (rows.col[lane] - pixel) / rows.step, cols_seen_, channels,
                      pixels + lane * cols_seen_ * channels);
    }
    kernel_.turn({pointers, 1, 0, cols_seen_ * channels, slot, 0, kLanes, part});
  }

  // Adds the pieces of a panel in their order and turns them into OIHW.
  bool finish(const Range& range, int64_t panel, const float* sums, int64_t piece, W* grad_weight) const {
    const int64_t taps = p_.taps(), depth = p_.in_channels * taps, count = range.channels * taps;
    const int64_t block = range.panels * kSumBlock;  // of 32 rows
    bool finite = true;
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t output = panel * kPanelColumns + half * 16;
      if (output >= range.outputs) break;
      const float* from = sums + panel * kSumBlock + half * 16;
      W* out = grad_weight + (range.output + output) * depth + range.channel * taps;
      const float* rows[16];
      int64_t channel = 0, tap = 0;
      for (int64_t i = 0; i < count; i += 16) {
        const int64_t n = std::min<int64_t>(16, count - i);
        for (int64_t k = 0; k < n; ++k) {
          const int64_t row = tap % merged_ * range.channels + channel;
          rows[k] = from + tap / merged_ * run_sums_ + row / 32 * block + row % 32 * kPanelColumns;
          if (++tap == taps) tap = 0, ++channel;
        }
        finite = finish_({rows, n, std::min<int64_t>(16, range.outputs - output), pieces_, piece, out + i,
                          depth}) &&
                 finite;
      }
    }
    return finite;
  }

  const Conv2dParams& p_;
  const LaneKernel<T>& kernel_;
  const LaneFinish<W> finish_ = RUSHLIGHT_AMX(&amx::lane_finish);
  const ImageView<const T> src_, grad_;
  Axis vertical_, horizontal_;
  Way way_;
  const int64_t merged_;                             // taps of a kernel row that are one run of channels
  const int64_t channels_;                           // of a task
  int64_t groups_;                                   // of bands
  int64_t ring_rows_, slot_;                         // of the source; numbers in a row of one part
  int64_t strips_, cols_, cols_seen_;                // a task takes strips of columns of a band
  int64_t channel_ranges_, output_ranges_, panels_;  // panels of a range of outputs
  int64_t rows_, pieces_;                            // of [group][strip][row]
  int64_t run_sums_, task_sums_;                     // numbers for one run of taps, and for all
};

}  // namespace

bool split_grad_weight_fits(const Conv2dParams& p, int64_t least_pixels, int64_t least_reuse) {
  const int64_t channels = (p.dilation_w == 1 ? p.kernel_w : 1) * p.in_channels;
  const int64_t columns = ceil_div(p.out_channels, kPanelColumns) * kPanelColumns;
  const int64_t reuse =
      p.taps() * p.in_channels * p.out_channels / (p.in_channels + p.out_channels) * p.out_channels / columns;
  return p.groups == 1 && channels >= 16 && p.out_channels >= 16 && reuse >= least_reuse &&
         p.images * p.out_h() * p.out_w() >= least_pixels;
}

template <class T, class W>
bool split_grad_weight(const Conv2dParams& p, ImageView<const T> src, ImageView<const T> grad,
                       W* grad_weight) {
  // Planes of a gradient are turned around first, but where images are large and channels few: row by row.
  const bool copy = p.in_channels >= kFewChannels;
  const TouchingChannels<T> outputs(grad, copy ? p.images : 0, p.out_h(), p.out_w(), p.out_channels);
  return SplitGradWeight<T, W>(p, src, copy ? outputs.view() : grad).run(grad_weight);
}

#define RUSHLIGHT_INSTANTIATE(T, W) \
  template bool split_grad_weight<T, W>(const Conv2dParams&, ImageView<const T>, ImageView<const T>, W*);
RUSHLIGHT_INSTANTIATE(float, float)
RUSHLIGHT_INSTANTIATE(uint16_t, float)
RUSHLIGHT_INSTANTIATE(uint16_t, uint16_t)
#undef RUSHLIGHT_INSTANTIATE

}  // namespace rushlight::kernels

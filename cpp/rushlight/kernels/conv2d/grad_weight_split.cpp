// The weight gradient on AMX tiles: see Note [Split products] in gemm/split.h.
//
// Note [Positions]
// For every tap it is a product (channels x positions) (positions x outputs). Tiles want the positions of a
// channel next to each other: the source is turned into strips [phase][part][channel][position], in which a
// tap is the same strip read further on. Sixteen or 32 images side by side make one position of sixteen or 32
// numbers: then a strip is one row of so many images, taps move by whole cache lines, and no position is
// wasted. For other batches a strip is a whole image, whose rows follow each other with their padding between
// them. A phase holds every stride-th pixel. The gradient becomes packed panels in the same order, with zeros
// where the order has positions that are no pixel of the result.
#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/kernels/conv2d/grad_weight.h"
#include "rushlight/kernels/conv2d/source.h"
#include "rushlight/kernels/gemm/gemm.h"
#include "rushlight/kernels/gemm/split.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kChunk = 16;         // steps summed in tiles before they join the sum in memory
constexpr int64_t kTasks = 8;          // wanted at least; positions are cut into pieces otherwise
constexpr int64_t kTaskChannels = 64;  // of a task: with kTaskOutputs and a chunk they fit the L2 cache
constexpr int64_t kTaskOutputs = 128;
constexpr int64_t kPackChannels = 128;    // turned by one piece of work
constexpr int64_t kSlabBytes = 12 << 20;  // of turned operands, at a time
constexpr int64_t kLeastReuse = 100;      // products per number turned from which that pays,
constexpr int64_t kLeastPositions = 128;  // and positions

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t whole_steps(int64_t positions) { return ceil_div(positions, kSplitDepth); }

// Tap k of a kernel reads pixel x * stride + k * dilation: number x + shift[k] of those at phase[k].
struct Axis {
  std::vector<int64_t> phase, shift;
  int64_t reach = 0;  // the largest shift
  Axis(int64_t kernel, int64_t dilation, int64_t stride) {
    for (int64_t k = 0; k < kernel; ++k) {
      phase.push_back(k * dilation % stride);
      shift.push_back(k * dilation / stride);
      reach = std::max(reach, shift.back());
    }
  }
};

// Images as the order of positions of Note [Positions].
template <class T>
struct Grid {
  ImageView<const T> view;
  int64_t h, w;  // of an image; pixels outside are zeros
  int64_t step_h, step_w, first_row, first_col;
  int64_t lanes, rows, cols;  // positions: images side by side, rows, columns

  // kSplitDepth pointers from position `first` of a strip on.
  void positions(int64_t strip, int64_t first, const T** pointers) const {
    int64_t image = lanes == 1 ? strip : strip / rows * lanes, row = lanes == 1 ? first / cols : strip % rows;
    int64_t col = lanes == 1 ? first % cols : first / lanes, lane = first % lanes;
    for (int64_t k = 0; k < kSplitDepth; ++k) {
      const int64_t i = row * step_h + first_row, j = col * step_w + first_col;
      const bool inside = row < rows && col < cols && i >= 0 && i < h && j >= 0 && j < w;
      pointers[k] = inside ? view.data + (image + lane) * view.image + i * view.row + j * view.col : nullptr;
      if (++lane < lanes) continue;
      lane = 0;
      if (++col == cols && lanes == 1) col = 0, ++row;
    }
  }
};

// The weight gradient of one group, the channels of a pixel being contiguous.
template <class T>
class SplitGradWeight {
 public:
  SplitGradWeight(const Conv2dParams& p, ImageView<const T> src, ImageView<const T> grad)
      : p_(p),
        split_(split_kernel<T>()),
        vertical_(p.kernel_h, p.dilation_h, p.stride_h),
        horizontal_(p.kernel_w, p.dilation_w, p.stride_w),
        lanes_(p.images % 32 == 0   ? 32
               : p.images % 16 == 0 ? 16
                                    : 1),
        panels_(ceil_div(p.out_channels, kSplitLanes)) {
    const int64_t rows = p.out_h() + vertical_.reach;
    int64_t cols = p.out_w() + horizontal_.reach;
    // The zeros after a row are those before the next.
    if (lanes_ == 1 && p.stride_w == 1)
      cols -= std::min(p.pad_w, std::max<int64_t>(0, cols - p.pad_w - p.in_w));
    source_ = {src, p.in_h, p.in_w, p.stride_h, p.stride_w, -p.pad_h, -p.pad_w, lanes_, rows, cols};
    result_ = {grad, p.out_h(), p.out_w(), 1, 1, 0, 0, lanes_, p.out_h(), lanes_ == 1 ? cols : p.out_w()};
    const int64_t positions = lanes_ == 1 ? (p.out_h() - 1) * cols + p.out_w() : p.out_w() * lanes_;
    strip_steps_ = whole_steps(positions);
    const int64_t shift =
        lanes_ == 1 ? vertical_.reach * cols + horizontal_.reach : horizontal_.reach * lanes_;
    pitch_ = (strip_steps_ + whole_steps(shift)) * kSplitDepth;
    if (pitch_ / kSplitDepth % 2 == 0) pitch_ += kSplitDepth;  // spread over the sets of the cache
    find_phases();
    part_ = p.in_channels * pitch_;
    strip_size_ = static_cast<int64_t>(phases_.size()) * split_.parts * part_;
    cut();
  }

  // `given` is the problem as the caller knows it: what finish_outputs needs.
  bool run(const Conv2dParams& given, float* grad_weight) {
    const int64_t tile = p_.taps() * p_.in_channels * kSplitLanes;
    Scratch<uint16_t> source(slab_strips(slab_) * strip_size_ + kSplitLanes / 2 * pitch_);
    Scratch<uint16_t> panels(slab_ * strip_steps_ * panels_ * split_.step());
    Scratch<float> sums(pieces_ * panels_ * tile);
    a_ = source.data(), b_ = panels.data(), sums_ = sums.data();
    const int64_t groups = lanes_ == 1 ? 1 : p_.images / lanes_;
    for (int64_t group = 0; group < groups; ++group)
      for (int64_t first = 0; first < segments_; first += slab_) {
        const int64_t count = std::min(slab_, segments_ - first);
        if (!pack(group, first, count)) return false;
        multiply(count, group == 0 && first == 0);
      }
    parallel_for(panels_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        finish_outputs<float>(given, {sums_ + i * tile, kSplitLanes, pieces_, panels_ * tile}, 0,
                              i * kSplitLanes, grad_weight);
    });
    return true;
  }

 private:
  void find_phases() {
    for (int64_t i = 0; i < p_.kernel_h; ++i)
      for (int64_t j = 0; j < p_.kernel_w; ++j) {
        const std::pair<int64_t, int64_t> phase(vertical_.phase[i], horizontal_.phase[j]);
        auto found = std::find(phases_.begin(), phases_.end(), phase);
        tap_phase_.push_back(found - phases_.begin());
        if (found == phases_.end()) phases_.push_back(phase);
      }
  }

  // Strips that `count` segments (strips of the result) read.
  int64_t slab_strips(int64_t count) const { return lanes_ == 1 ? count : count + vertical_.reach; }

  static int64_t chunks(int64_t steps) { return ceil_div(steps, kChunk); }

  // Everything is cut by the shape alone.
  void cut() {
    segments_ = lanes_ == 1 ? p_.images : p_.out_h();
    const int64_t bytes = 2 * (strip_size_ + strip_steps_ * panels_ * split_.step());
    slab_ = ceil_div(segments_, ceil_div(segments_ * bytes, kSlabBytes));
    const int64_t ranges = ceil_div(p_.in_channels, kTaskChannels) * ceil_div(p_.out_channels, kTaskOutputs);
    const int64_t all = chunks(slab_ * strip_steps_);
    pieces_ = ceil_div(all, ceil_div(all, std::min(all, ceil_div(kTasks, ranges))));
  }

  // Turns the source and packs the gradient of `count` segments of a group of images from `first` on.
  bool pack(int64_t group, int64_t first, int64_t count) {
    std::atomic<bool> safe{true};
    const auto phases = static_cast<int64_t>(phases_.size());
    const int64_t blocks = ceil_div(p_.in_channels, kPackChannels);
    const int64_t strips = slab_strips(count) * phases * blocks, steps = count * strip_steps_;
    const int64_t first_strip = group * source_.rows + first, first_segment = group * result_.rows + first;
    parallel_for(strips + chunks(steps), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const bool fine = i < strips ? turn(first_strip + i / blocks / phases, i / blocks / phases,
                                            i / blocks % phases, i % blocks * kPackChannels)
                                     : pair(first_segment, steps, i - strips);
        if (!fine) safe.store(false, std::memory_order_relaxed);
      }
    });
    return safe.load();
  }

  // One phase of a strip, kPackChannels from `channel` on, as strip `place` of the slab.
  bool turn(int64_t strip, int64_t place, int64_t phase, int64_t channel) const {
    Grid<T> grid = source_;
    grid.first_row += phases_[static_cast<size_t>(phase)].first;
    grid.first_col += phases_[static_cast<size_t>(phase)].second;
    grid.view.data += channel;
    uint16_t* dst = a_ + place * strip_size_ + phase * split_.parts * part_ + channel * pitch_;
    const int64_t channels = std::min(kPackChannels, p_.in_channels - channel);
    const T* pointers[kSplitDepth];
    bool safe = true;
    for (int64_t k = 0; k < pitch_; k += kSplitDepth) {
      grid.positions(strip, k, pointers);
      safe = split_.turn({pointers, channels, dst + k, pitch_, part_}) && safe;
    }
    return safe;
  }

  // Packed panels of one chunk of `steps` steps: [panel][step].
  bool pair(int64_t first_segment, int64_t steps, int64_t chunk) const {
    const int64_t count = std::min(kChunk, steps - chunk * kChunk);
    const T* pointers[kSplitDepth];
    bool safe = true;
    for (int64_t s = 0; s < count; ++s) {
      const int64_t step = chunk * kChunk + s;
      result_.positions(first_segment + step / strip_steps_, step % strip_steps_ * kSplitDepth, pointers);
      uint16_t* dst = b_ + (chunk * kChunk * panels_ + s) * split_.step();
      safe = split_.pair({pointers, p_.out_channels, dst, count * split_.step(), 0}) && safe;
    }
    return safe;
  }

  void multiply(int64_t segments, bool first) {
    const int64_t steps = segments * strip_steps_, all = chunks(steps);
    const int64_t per_piece = ceil_div(all, pieces_);
    const int64_t down = ceil_div(p_.in_channels, kTaskChannels);
    const int64_t across = ceil_div(p_.out_channels, kTaskOutputs);
    Scratch<int64_t> offsets(steps);
    for (int64_t s = 0; s < steps; ++s)
      offsets[s] = s / strip_steps_ * strip_size_ + s % strip_steps_ * kSplitDepth;
    parallel_for(pieces_ * down * across, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t piece = task / (down * across), start = piece * per_piece;
        for (int64_t chunk = start; chunk < std::min(start + per_piece, all); ++chunk)
          multiply_chunk(
              {piece, task / across % down * kTaskChannels, task % across * (kTaskOutputs / kSplitLanes),
               chunk * kChunk, std::min(kChunk, steps - chunk * kChunk)},
              &offsets[chunk * kChunk], !first || chunk > start);
      }
    });
  }

  struct Part {
    int64_t piece, channel, panel;  // the first of a range of channels and of panels
    int64_t step, steps;
  };

  void multiply_chunk(const Part& x, const int64_t* offsets, bool accumulate) const {
    const int64_t m = std::min(kTaskChannels, p_.in_channels - x.channel);
    const int64_t last_panel = std::min(x.panel + kTaskOutputs / kSplitLanes, panels_);
    float* rows[kTaskChannels];
    const uint16_t* tiles[kTaskChannels / 16];
    for (int64_t panel = x.panel; panel < last_panel; ++panel)
      for (int64_t tap = 0; tap < p_.taps(); ++tap) {
        const uint16_t* start = a_ + tap_offset(tap) + x.channel * pitch_;
        for (int64_t i = 0; i < kTaskChannels / 16; ++i) tiles[i] = start + i * 16 * pitch_;
        float* sums = sums_ + ((x.piece * panels_ + panel) * p_.taps() + tap) * p_.in_channels * kSplitLanes;
        for (int64_t c = 0; c < m; ++c) rows[c] = sums + (x.channel + c) * kSplitLanes;
        split_.sum_block({m, std::min(kSplitLanes, p_.out_channels - panel * kSplitLanes), x.steps, tiles,
                          2 * pitch_, part_, offsets,
                          b_ + (x.step * panels_ + panel * x.steps) * split_.step(), 0, rows, 0, accumulate,
                          nullptr});
      }
  }

  int64_t tap_offset(int64_t tap) const {
    const auto i = static_cast<size_t>(tap);
    const int64_t down = vertical_.shift[i / p_.kernel_w], right = horizontal_.shift[i % p_.kernel_w];
    return tap_phase_[i] * split_.parts * part_ +
           (lanes_ == 1 ? down * source_.cols + right : down * strip_size_ + right * lanes_);
  }

  const Conv2dParams& p_;
  const SplitKernel<T>& split_;
  const Axis vertical_, horizontal_;
  const int64_t lanes_;
  const int64_t panels_;  // of outputs
  Grid<T> source_, result_;
  std::vector<std::pair<int64_t, int64_t>> phases_;
  std::vector<int64_t> tap_phase_;
  int64_t strip_steps_;                // of a strip of the result
  int64_t pitch_, part_, strip_size_;  // numbers between channels, parts and strips of the turned source
  int64_t segments_, slab_, pieces_;  // strips of the result in a group of images, and those packed at a time
  uint16_t* a_ = nullptr;
  uint16_t* b_ = nullptr;  // [chunk][panel][step]
  float* sums_ = nullptr;  // [piece][panel][tap][channel][output]
};

// Few channels: the taps of a kernel row are channels of one pixel.
bool merge_row(const Conv2dParams& p) { return p.in_channels < 16 && p.kernel_w > 1 && p.dilation_w == 1; }

}  // namespace

bool split_grad_weight_fits(const Conv2dParams& p) {
  const int64_t merged = merge_row(p) ? p.kernel_w : 1, channels = merged * p.in_channels;
  const int64_t reuse = p.taps() / merged * channels * p.out_channels / (channels + p.out_channels);
  return p.groups == 1 && channels >= 16 && p.out_channels >= 16 && reuse >= kLeastReuse &&
         p.images * p.out_h() * p.out_w() >= kLeastPositions;
}

template <class T>
bool split_grad_weight(const Conv2dParams& p, ImageView<const T> src, ImageView<const T> grad,
                       float* grad_weight) {
  const bool merge = merge_row(p), copy = merge || src.channel != 1;
  const int64_t rows = (p.out_h() - 1) * p.stride_h + (p.kernel_h - 1) * p.dilation_h + 1;
  const int64_t cols = (p.out_w() - 1) * p.stride_w + (p.kernel_w - 1) * p.dilation_w + 1;
  Scratch<T> padded(copy ? p.images * rows * cols * p.in_channels : 0);
  Conv2dParams seen = p;
  if (copy) {
    copy_rows(src, p.in_h, p.in_w, p.in_channels, p.images, -p.pad_h, rows, -p.pad_w, cols, p.in_channels,
              padded.data());
    src = channels_last<const T>(padded.data(), rows, cols, p.in_channels);
    seen.in_h = rows, seen.in_w = cols;
    seen.pad_h = seen.pad_w = seen.pad_h_end = seen.pad_w_end = 0;
  }
  if (merge) {
    src.col *= p.stride_w;
    seen.in_w = p.out_w(), seen.in_channels *= p.kernel_w, seen.kernel_w = seen.stride_w = 1;
  }
  return SplitGradWeight<T>(seen, src, grad).run(p, grad_weight);
}

template bool split_grad_weight<float>(const Conv2dParams&, ImageView<const float>, ImageView<const float>,
                                       float*);
template bool split_grad_weight<uint16_t>(const Conv2dParams&, ImageView<const uint16_t>,
                                          ImageView<const uint16_t>, float*);

}  // namespace rushlight::kernels

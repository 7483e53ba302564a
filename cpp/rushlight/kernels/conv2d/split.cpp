#include "rushlight/kernels/conv2d/split.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <type_traits>
#include <vector>

#include "rushlight/base/parallel.h"
#include "rushlight/base/trace.h"
#include "rushlight/kernels/conv2d/plan.h"
#include "rushlight/kernels/conv2d/weights.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kTileRows = 16;
constexpr int64_t kSourceNumbers = 448 * 1024;  // split source of a task: a good half of the L2 cache
constexpr int64_t kCachedWeights = 256 * 1024;  // packed ones that stay there beside it
constexpr int64_t kPixels = 128;                // gathered at a time, at most,
constexpr int64_t kGathered = 1 << 19;          // and so many numbers
constexpr int64_t kTaskPixels = 96;             // of a task, at least
constexpr int64_t kLeastPixels = 40;            // from which packing the weights pays

// Taps of a row that share steps: all of them where channels are few and a row's pixels touch.
template <class T>
int64_t taps_in_step(const ConvJob<T>& job) {
  if (job.channels >= kSplitDepth) return 1;
  const auto beside = [&](size_t i) {
    return job.taps[i].row == job.taps[i - 1].row && job.taps[i].col == job.taps[i - 1].col + 1;
  };
  size_t run = 1;
  while (run < job.taps.size() && beside(run)) ++run;
  for (size_t i = 1; i < job.taps.size(); ++i)
    if (i % run != 0 && !beside(i)) return 1;
  return job.taps.size() % run == 0 ? static_cast<int64_t>(run) : 1;
}

// How source rows lie once they are split: by row and column modulo the steps, so that neighbouring pixels of
// the result always read neighbours. Numbers of one such plane: [row][position][channel], zeros around.
template <class T>
struct SplitGrid {
  int64_t run;                                      // taps that share steps
  int64_t first_row, tap_rows, first_col, columns;  // what the taps reach
  int64_t col_phases;                               // planes for the columns
  int64_t pitch;                                    // of pixels
  int64_t position, positions, row;                 // pitch of a plane's positions, their number, its rows'
  int64_t margin;                                   // rows of a plane beyond those of results
  int64_t shared = 0;                               // zeros of two rows

  explicit SplitGrid(const ConvJob<T>& job) : run(taps_in_step(job)) {
    const auto [top, bottom] = std::minmax_element(job.taps.begin(), job.taps.end(),
                                                   [](const Tap& a, const Tap& b) { return a.row < b.row; });
    const auto [left, right] = std::minmax_element(job.taps.begin(), job.taps.end(),
                                                   [](const Tap& a, const Tap& b) { return a.col < b.col; });
    first_row = top->row, tap_rows = bottom->row - top->row + 1;
    first_col = left->col, columns = (job.out_w - 1) * job.step_w + right->col - left->col + 1;
    col_phases = run > 1 ? 1 : job.step_w;
    pitch = tile_pitch(job.channels);
    position = run > 1 ? job.step_w * pitch : pitch;
    // The zeros after a row are those before the next.
    if (job.step_w == 1)
      shared =
          std::clamp<int64_t>(std::min(-first_col, first_col + columns - job.src_w), 0, columns - job.out_w);
    columns -= shared;
    positions = ceil_div(columns, job.step_w);
    row = positions * position;
    margin = ceil_div(tap_rows, job.step_h) - 1;
  }

  // Where the source pixel of a tap is from that of the result, in planes and numbers.
  int64_t plane_of(const ConvJob<T>& job, int64_t tap_row, int64_t tap_col) const {
    return tap_row % job.step_h * col_phases + tap_col % col_phases;
  }
  int64_t offset_of(const ConvJob<T>& job, int64_t tap_row, int64_t tap_col) const {
    return tap_row / job.step_h * row + tap_col / col_phases * pitch;
  }
};

// The split source of some rows of results of a group.
template <class T>
class SplitSource {
 public:
  SplitSource(const ConvJob<T>& job, const SplitGrid<T>& grid, const SplitKernel<T>& split, int64_t group,
              int64_t first, int64_t end)
      : job_(job), grid_(grid), split_(split) {
    int64_t rows = 0;
    for (int64_t row = first; row < end; row += runs_.back().rows) {
      runs_.push_back({row, std::min(job.out_h - row % job.out_h, end - row), rows * grid.row});
      rows += runs_.back().rows + grid.margin;
    }
    plane_ = rows * grid.row;
    part_ = job.step_h * grid.col_phases * plane_;
    // Tiles may read beyond their pixels and channels: into the next plane, or into zeros.
    const int64_t beyond = (kTileRows + grid.shared) * grid.position + kSplitDepth;
    numbers_.emplace(split.parts * part_ + beyond);
    std::fill_n(numbers_->data() + split.parts * part_, beyond, uint16_t{0});
    for (const Run& run : runs_) fill(group, run);
  }

  // Rows of results that are neighbours in one image, and where the source of the first begins.
  struct Run {
    int64_t first, rows, start;
  };
  const std::vector<Run>& runs() const { return runs_; }
  const uint16_t* data() { return numbers_->data(); }
  int64_t plane() const { return plane_; }
  int64_t part() const { return part_; }
  bool safe() const { return safe_; }

 private:
  void fill(int64_t group, const Run& run) {
    const T* image =
        job_.src.data + run.first / job_.out_h * job_.src.image + group * job_.channels * job_.src.channel;
    const int64_t top = run.first % job_.out_h * job_.step_h + grid_.first_row;
    Scratch<T> touching(job_.src.channel == 1 ? 0 : job_.src_w * job_.channels);
    for (int64_t i = 0; i < (run.rows + grid_.margin) * job_.step_h; ++i) {
      uint16_t* dst = numbers_->data() + run.start + i % job_.step_h * grid_.col_phases * plane_ +
                      i / job_.step_h * grid_.row;
      const bool inside = top + i >= 0 && top + i < job_.src_h;
      const T* src = inside ? image + (top + i) * job_.src.row : nullptr;
      int64_t col = job_.src.col;
      if (inside && job_.src.channel != 1) {
        const ImageView<const T> planar{image, 0, job_.src.row, job_.src.col, job_.src.channel};
        copy_source_row(planar, job_.src_h, job_.src_w, job_.channels, 0, top + i, 0, job_.src_w,
                        job_.channels, touching.data());
        src = touching.data(), col = job_.channels;
      }
      for (int64_t phase = 0; phase < grid_.col_phases; ++phase, dst += plane_)
        fill_row(src, col, phase, dst);
    }
  }

  // The pixels of a row of the source, or zeros, at `phase` modulo the planes for the columns.
  void fill_row(const T* src, int64_t col, int64_t phase, uint16_t* dst) {
    const int64_t pixels = grid_.row / grid_.pitch, step = grid_.col_phases, first = grid_.first_col + phase;
    const int64_t begin = src == nullptr ? pixels : std::clamp<int64_t>(ceil_div(-first, step), 0, pixels);
    const int64_t end =
        src == nullptr ? pixels : std::clamp<int64_t>(ceil_div(job_.src_w - first, step), begin, pixels);
    const bool gaps = job_.channels % kSplitDepth != 0 && grid_.pitch > job_.channels;
    for (int64_t part = 0; part < split_.parts; ++part) {
      uint16_t* row = dst + part * part_;
      std::fill(row, row + (gaps ? pixels : begin) * grid_.pitch, uint16_t{0});
      std::fill(row + end * grid_.pitch, row + pixels * grid_.pitch, uint16_t{0});
    }
    if (begin == end) return;
    const int64_t apart = step * col;
    const bool touch = apart == job_.channels && grid_.pitch == job_.channels;
    const int64_t count = touch ? (end - begin) * job_.channels : job_.channels;
    const bool safe = split_.split({src + (first + begin * step) * col, touch ? 1 : end - begin, count, apart,
                                    dst + begin * grid_.pitch, grid_.pitch, part_});
    safe_ = safe && safe_;
  }

  const ConvJob<T>& job_;
  const SplitGrid<T>& grid_;
  const SplitKernel<T>& split_;
  std::vector<Run> runs_;
  int64_t plane_ = 0, part_ = 0;
  std::optional<Scratch<uint16_t>> numbers_;
  bool safe_ = true;
};

template <class T>
class SplitConv {
 public:
  explicit SplitConv(const ConvJob<T>& job)
      : jobs_{job},
        job_(jobs_[0]),
        grid_(job),
        split_(split_kernel<T>()),
        weights_(SplitWeights::of(jobs_, weights_kernel(split_), grid_.run)),
        total_(job.images * job.out_h),
        blocks_(ceil_div(job.outputs, kSplitLanes)),
        steps_(weights_->steps(0)) {
    safe_.store(weights_->safe());
    // Equal parts, in a number that most numbers of threads divide.
    const int64_t row = split_.parts * job.step_h * grid_.col_phases * grid_.row;
    while (row_parts_ < total_ && (ceil_div(total_, row_parts_) + grid_.margin) * row > kSourceNumbers)
      row_parts_ *= 2;
    while (row_parts_ * blocks_ * job.groups < kConvTasks &&
           total_ * job.out_w >= 2 * row_parts_ * kTaskPixels)
      row_parts_ *= 2;
    row_parts_ = std::min(row_parts_, total_);
    output_parts_ = std::clamp<int64_t>(ceil_div(kConvTasks, row_parts_ * job.groups), 1, blocks_);
  }

  // Threads take equal runs of tasks; those that follow each other share their source. The cut decides who
  // splits it, not a bit of the results.
  bool run() {
    const int64_t tasks = job_.groups * row_parts_ * output_parts_,
                  runs = std::min<int64_t>(num_threads(), tasks);
    parallel_for(runs, 1, [&](int64_t run, int64_t) {
      std::optional<SplitSource<T>> source;
      int64_t part = -1;
      for (int64_t task = tasks * run / runs; task < tasks * (run + 1) / runs; ++task) {
        const int64_t group = task / output_parts_ / row_parts_, row_part = task / output_parts_ % row_parts_;
        if (task / output_parts_ != part) {
          part = task / output_parts_;
          source.emplace(job_, grid_, split_, group, total_ * row_part / row_parts_,
                         total_ * (row_part + 1) / row_parts_);
          if (!source->safe()) safe_.store(false, std::memory_order_relaxed);
        }
        if (!safe_.load(std::memory_order_relaxed)) return;
        const int64_t output_part = task % output_parts_;
        const Outputs outputs{group, blocks_ * output_part / output_parts_,
                              blocks_ * (output_part + 1) / output_parts_};
        if (10 * grid_.positions <= 13 * job_.out_w)
          multiply_in_place(*source, outputs);
        else
          multiply_gathered(*source, outputs);
      }
    });
    if (!safe_.load()) return false;
    trace::note_kernel(split_.conv2d_name);
    return true;
  }

 private:
  struct Outputs {
    int64_t group, first, last;  // blocks
  };

  // Where each step reads, from the first tap's pixel on.
  void find_steps(const SplitSource<T>& source, int64_t* offsets) const {
    for (const SplitWeights::Step& step : weights_->order(0)) {
      const Tap& tap = job_.taps[static_cast<size_t>(step.tap)];
      const int64_t row = tap.row - grid_.first_row, col = tap.col - grid_.first_col;
      *offsets++ =
          grid_.plane_of(job_, row, col) * source.plane() + grid_.offset_of(job_, row, col) + step.channel;
    }
  }

  T* result(int64_t row, int64_t col) const {
    return job_.dst.data + row / job_.out_h * job_.dst.image + row % job_.out_h * job_.dst.row +
           col * job_.dst.col;
  }

  // Consecutive positions are consecutive rows of a tile. Those between the rows of the result are computed
  // for nothing, which is less than gathering costs.
  void multiply_in_place(SplitSource<T>& source, const Outputs& outputs) {
    std::vector<const uint16_t*> tiles;
    std::vector<T*> results;
    for (const auto& run : source.runs()) {
      const int64_t count = (run.rows - 1) * grid_.positions + job_.out_w;
      for (int64_t first = 0; first < count; first += kTileRows) {
        tiles.push_back(source.data() + run.start + first * grid_.position);
        for (int64_t i = first; i < first + kTileRows; ++i) {
          const int64_t col = i % grid_.positions;
          const bool real = i < count && col < job_.out_w;
          results.push_back(real ? result(run.first + i / grid_.positions, col) : nullptr);
        }
      }
    }
    Scratch<int64_t> steps(steps_);
    find_steps(source, steps.data());
    multiply({static_cast<int64_t>(results.size()), 0, steps_, tiles.data(), grid_.position * 2,
              source.part(), steps.data(), nullptr, 0, results.data(), 0, false, nullptr},
             0, outputs);
  }

  void multiply_gathered(SplitSource<T>& source, const Outputs& outputs) {
    std::vector<int64_t> offsets;
    std::vector<T*> results;
    for (const auto& run : source.runs())
      for (int64_t row = 0; row < run.rows; ++row)
        for (int64_t col = 0; col < job_.out_w; ++col) {
          offsets.push_back(run.start + row * grid_.row + col * grid_.position);
          results.push_back(result(run.first + row, col));
        }
    Scratch<int64_t> from(steps_);
    find_steps(source, from.data());
    const int64_t chain = std::min(split_.chain, steps_), count = static_cast<int64_t>(offsets.size());
    int64_t most = kPixels;
    while (most > kSplitLanes && most / kTileRows * chain * split_.tile_step() > kGathered) most /= 2;
    Scratch<uint16_t> gathered(most * chain * split_.step() / kSplitLanes);
    Scratch<int64_t> steps(chain);
    for (int64_t s = 0; s < chain; ++s) steps[s] = s * split_.step();
    const uint16_t* tiles[kPixels / kTileRows];
    for (int64_t pixel = 0; pixel < count; pixel += most) {
      const int64_t pixels = std::min(most, count - pixel);
      for (int64_t s = 0; s < steps_; s += chain) {
        const int64_t together = std::min(chain, steps_ - s);
        split_.gather({pixels, together, source.data(), source.part(), &offsets[static_cast<size_t>(pixel)],
                       from.data() + s, gathered.data()});
        for (int64_t i = 0; i < most / kTileRows; ++i)
          tiles[i] = gathered.data() + i / 2 * together * split_.step() + i % 2 * kSplitTile;
        multiply({pixels, 0, together, tiles, 64, kSplitPart, steps.data(), nullptr, 0,
                  results.data() + pixel, 0, false, nullptr},
                 s, outputs);
      }
    }
  }

  // Completes `x`, which tells pixels and steps, with the weights.
  void multiply(SplitBlock<T> x, int64_t first_step, const Outputs& outputs) {
    const ConvEpilogue<T>& epilogue = job_.epilogue;
    x.b_panel = weights_->block_size();
    x.accumulate = first_step > 0;
    if (first_step + x.steps == steps_) {
      x.residual = epilogue.residual, x.c_start = job_.dst.data;
      x.relu = epilogue.relu;
    }
    // All pixels meet a block of the weights before the next is read.
    x.stream = blocks_ * x.b_panel > kCachedWeights;
    Scratch<float> totals(x.steps > split_.chain ? split_totals(x.m, kSplitLanes) : 0);
    if (x.steps > split_.chain) x.totals = totals.data();
    for (int64_t block = outputs.first; block < outputs.last; ++block) {
      x.column = outputs.group * job_.outputs + block * kSplitLanes;
      x.n = std::min(kSplitLanes, job_.outputs - block * kSplitLanes);
      x.b = weights_->panel(0, outputs.group * blocks_ + block) + first_step * split_.step();
      if (first_step == 0 && epilogue.bias != nullptr) x.bias = epilogue.bias + x.column;
      split_.block(x);
    }
  }

  const std::vector<ConvJob<T>> jobs_;
  const ConvJob<T>& job_;
  const SplitGrid<T> grid_;
  const SplitKernel<T>& split_;
  const std::shared_ptr<const SplitWeights> weights_;
  const int64_t total_, blocks_, steps_;
  int64_t row_parts_ = 1, output_parts_ = 1;
  std::atomic<bool> safe_{true};
};

}  // namespace

template <class T>
bool split_conv_fits(const ConvJob<T>& job) {
  const auto taps = static_cast<int64_t>(job.taps.size());
  const int64_t depth = taps * job.channels;
  const bool whole_steps = job.channels >= 24 || (job.channels >= 12 && depth >= 96);
  // Few channels, as in a network's first layer: a row of taps makes a step. Six products are no faster than
  // FMA.
  size_t run = 1;
  while (run < job.taps.size() && job.taps[run].row == job.taps[0].row &&
         job.taps[run].col == job.taps[run - 1].col + 1)
    ++run;
  const bool whole_rows =
      job.groups == 1 && static_cast<int64_t>(run) * job.channels >= 16 && split_kernel<T>().parts < 3;
  // Weights must be rounded in any case: they may as well be packed if all taps are.
  const bool rounds_whole =
      !std::is_same_v<T, float> && taps == std::min(job.weight_output, job.weight_channel);
  return (whole_steps || whole_rows) && job.outputs >= 24 &&
         (rounds_whole || job.images * job.out_h * job.out_w >= kLeastPixels) &&
         taps * job.outputs >= 128 * job.step_h * job.step_w;
}

template <class T>
bool run_split_conv(const ConvJob<T>& job) {
  return SplitConv<T>(job).run();
}

template bool split_conv_fits<float>(const ConvJob<float>&);
template bool split_conv_fits<uint16_t>(const ConvJob<uint16_t>&);
template bool run_split_conv<float>(const ConvJob<float>&);
template bool run_split_conv<uint16_t>(const ConvJob<uint16_t>&);

}  // namespace rushlight::kernels

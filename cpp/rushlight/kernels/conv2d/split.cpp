#include "rushlight/kernels/conv2d/split.h"

#include <algorithm>
#include <atomic>
#include <type_traits>

#include "rushlight/base/parallel.h"
#include "rushlight/kernels/conv2d/task.h"
#include "rushlight/kernels/conv2d/weights.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kPixels = 128;  // in a row of tiles: with the weights of a block they fit the L2 cache
constexpr int64_t kTileRows = 16;
constexpr int64_t kGathered = 1 << 19;  // numbers of a row of tiles
constexpr int64_t kTaskPixels = 96;     // of a task, at least
constexpr int64_t kLeastPixels = 40;    // from which packing the weights pays

// One job: pixels are read from padded rows, where they lie or gathered.
template <class T>
class SplitConv {
 public:
  explicit SplitConv(const ConvJob<T>& job)
      : jobs_{job},
        job_(jobs_[0]),
        plan_(job, kSplitLanes, 1, kSplitLanes, true),
        split_(split_kernel<T>()),
        weights_(SplitWeights::of(jobs_, weights_kernel(split_), plan_.channels / job.channels)),
        total_(job.images * job.out_h),
        steps_(weights_->steps(0)),
        chain_(std::min(split_.chain, steps_)) {
    const int64_t run = plan_.channels / job.channels;
    for (const SplitWeights::Step& step : weights_->order(0))
      step_offset_.push_back(plan_.tap_offset[static_cast<size_t>(step.tap / run)] + step.channel);
    safe_.store(weights_->safe());
    // Equal parts, in a number that most numbers of threads divide.
    const int64_t needed = ceil_div(total_, std::max<int64_t>(1, plan_.rows));
    while (row_parts_ < needed ||
           (row_parts_ < kConvTasks && total_ * job.out_w >= 2 * row_parts_ * kTaskPixels))
      row_parts_ *= 2;
    row_parts_ = std::min(row_parts_, total_);
    output_parts_ =
        std::clamp<int64_t>(ceil_div(kConvTasks, row_parts_ * job.groups), 1, plan_.output_blocks);
  }

  bool run() {
    parallel_for(job_.groups * row_parts_ * output_parts_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end && safe_.load(std::memory_order_relaxed); ++i)
        run_task(i / output_parts_ / row_parts_, i / output_parts_ % row_parts_, i % output_parts_);
    });
    return safe_.load();
  }

 private:
  struct Outputs {
    int64_t group, first, last;  // blocks
  };

  void run_task(int64_t group, int64_t row_part, int64_t output_part) {
    const int64_t row = total_ * row_part / row_parts_, end = total_ * (row_part + 1) / row_parts_;
    const Outputs outputs{group, plan_.output_blocks * output_part / output_parts_,
                          plan_.output_blocks * (output_part + 1) / output_parts_};
    ConvTask<T> task(job_, plan_, kSplitLanes, 1, group, row, end - row);
    const int64_t plane = task.buffer_size();
    // Tiles may read beyond their pixels and channels: into the next plane, or into zeros.
    const int64_t beyond = 16 * plan_.pitch + kSplitDepth, end_of_planes = split_.parts * plane;
    Scratch<uint16_t> planes(end_of_planes + beyond);
    std::fill_n(planes.data() + end_of_planes, beyond, uint16_t{0});
    if (!split_.split(task.buffer(), plane, plane, planes.data())) {
      safe_.store(false);
      return;
    }
    if (job_.step_h == 1 && job_.step_w == 1 && 10 * plan_.cols <= 13 * job_.out_w)
      multiply_in_place(task, planes.data(), plane, outputs);
    else
      multiply_gathered(task, planes.data(), plane, outputs);
  }

  // Consecutive positions of the padded source are consecutive rows of a tile. Those between the rows of the
  // result are computed for nothing, which is less than gathering costs.
  void multiply_in_place(ConvTask<T>& task, const uint16_t* planes, int64_t plane, const Outputs& outputs) {
    const int64_t width = task.runs_in_row(), rows = task.runs() / width;
    const auto start = [&](int64_t row) { return task.src()[row * width] - task.buffer(); };
    std::vector<const uint16_t*> tiles;
    std::vector<T*> results;
    for (int64_t row = 0, end = 1; row < rows; row = end++) {
      while (end < rows && start(end) - start(end - 1) == plan_.row_pitch) ++end;  // of one image
      for (int64_t first = 0; first < (end - row - 1) * plan_.cols + width; first += kTileRows) {
        tiles.push_back(planes + start(row) + first * plan_.pitch);
        for (int64_t position = first; position < first + kTileRows; ++position) {
          const int64_t r = row + position / plan_.cols, col = position % plan_.cols;
          results.push_back(r < end && col < width ? task.dst()[r * width + col] : nullptr);
        }
      }
    }
    const auto count = static_cast<int64_t>(tiles.size());
    for (int64_t tile = 0; tile < count; tile += kPixels / kTileRows) {
      const int64_t pixels = std::min(kPixels, (count - tile) * kTileRows);
      multiply({pixels, 0, steps_, tiles.data() + tile, plan_.pitch * 2, plane, step_offset_.data(), nullptr,
                0, results.data() + tile * kTileRows, 0, false, nullptr},
               0, outputs);
    }
  }

  void multiply_gathered(ConvTask<T>& task, const uint16_t* planes, int64_t plane, const Outputs& outputs) {
    Scratch<int64_t> offsets(task.runs());
    for (int64_t i = 0; i < task.runs(); ++i) offsets[i] = task.src()[i] - task.buffer();
    int64_t most = kPixels;
    while (most > kSplitLanes && most / kTileRows * chain_ * split_.tile_step() > kGathered) most /= 2;
    Scratch<uint16_t> gathered(most * chain_ * split_.step() / kSplitLanes);
    Scratch<int64_t> steps(chain_);
    for (int64_t s = 0; s < chain_; ++s) steps[s] = s * split_.step();
    const uint16_t* tiles[kPixels / kTileRows];
    for (int64_t pixel = 0; pixel < task.runs(); pixel += most) {
      const int64_t pixels = std::min(most, task.runs() - pixel);
      for (int64_t s = 0; s < steps_; s += chain_) {
        const int64_t count = std::min(chain_, steps_ - s);
        split_.gather(
            {pixels, count, planes, plane, &offsets[pixel], step_offset_.data() + s, gathered.data()});
        for (int64_t i = 0; i < most / kTileRows; ++i)
          tiles[i] = gathered.data() + i / 2 * count * split_.step() + i % 2 * kSplitTile;
        multiply({pixels, 0, count, tiles, 64, kSplitPart, steps.data(), nullptr, 0, task.dst() + pixel, 0,
                  false, nullptr},
                 s, outputs);
      }
    }
  }

  // Completes `x`, which tells pixels and steps, with the weights.
  void multiply(SplitBlock<T> x, int64_t first_step, const Outputs& outputs) {
    x.column = outputs.group * job_.outputs + outputs.first * kSplitLanes;
    x.n = std::min(job_.outputs, outputs.last * kSplitLanes) - outputs.first * kSplitLanes;
    x.b =
        weights_->panel(0, outputs.group * plan_.output_blocks + outputs.first) + first_step * split_.step();
    x.b_panel = weights_->block_size();
    x.accumulate = first_step > 0;
    const ConvEpilogue<T>& epilogue = job_.epilogue;
    if (first_step == 0 && epilogue.bias != nullptr) x.bias = epilogue.bias + x.column;
    if (first_step + x.steps == steps_) {
      x.residual = epilogue.residual, x.c_start = job_.dst.data;
      x.relu = epilogue.relu;
    }
    Scratch<float> totals(x.steps > split_.chain ? split_totals(x.m, x.n) : 0);
    if (x.steps > split_.chain) x.totals = totals.data();
    split_.block(x);
  }

  const std::vector<ConvJob<T>> jobs_;
  const ConvJob<T>& job_;
  const ConvPlan<T> plan_;
  const SplitKernel<T>& split_;
  const std::shared_ptr<const SplitWeights> weights_;
  const int64_t total_, steps_, chain_;
  int64_t row_parts_ = 1, output_parts_ = 1;
  std::vector<int64_t> step_offset_;
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

// Convolutions of many images on AMX tiles.
//
// A tile of A is one pixel of sixteen images: no step, dilation, width or map size leaves a part of a tile
// empty, taps only move addresses, and rows of taps outside the source are left out.
#include <algorithm>
#include <atomic>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/kernels/conv2d/split.h"
#include "rushlight/kernels/conv2d/weights.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kImages = 16;       // in a tile
constexpr int64_t kTasks = 8;         // wanted at least: rows are cut, then outputs
constexpr int64_t kTaskRows = 4;      // at least, because tasks split the source rows around theirs again
constexpr int64_t kLeastReuse = 128;  // products per number of the source from which splitting pays
constexpr int64_t kLeastTaps = 3;     // with fewer the time goes into the results, which lie far apart

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
class SplitBatch {
 public:
  explicit SplitBatch(const std::vector<ConvJob<T>>& jobs)
      : jobs_(jobs),
        first_(jobs[0]),
        split_(split_kernel<T>()),
        weights_(SplitWeights::of(jobs, weights_kernel(split_), 1)),
        channel_steps_(split_steps(first_.channels)),
        blocks_(ceil_div(first_.outputs, kSplitLanes)),
        safe_(weights_->safe()) {
    measure();
    pixel_ = channel_steps_ * split_.tile_step();
    row_ = cols_ * pixel_;
    const int64_t batches = first_.images / kImages * first_.groups;
    while (row_parts_ * batches < kTasks && rows_ >= 2 * row_parts_ * kTaskRows) row_parts_ *= 2;
    output_parts_ = std::clamp<int64_t>(ceil_div(kTasks, row_parts_ * batches), 1, blocks_);
  }

  bool run() {
    const int64_t per_group = first_.images / kImages * row_parts_ * output_parts_;
    parallel_for(first_.groups * per_group, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end && safe_.load(std::memory_order_relaxed); ++i)
        run_task(i / per_group, i / output_parts_ / row_parts_ % (first_.images / kImages),
                 i / output_parts_ % row_parts_, i % output_parts_);
    });
    return safe_.load();
  }

 private:
  // The extent of all taps, and of the columns they read.
  void measure() {
    bool any = false;
    int64_t last_row = 0;
    for (const ConvJob<T>& job : jobs_) {
      rows_ = std::max(rows_, job.out_h);
      for (const Tap& tap : job.taps) {
        first_row_ = any ? std::min(first_row_, tap.row) : tap.row;
        last_row = any ? std::max(last_row, tap.row) : tap.row;
        first_col_ = any ? std::min(first_col_, tap.col) : tap.col;
        any = true;
      }
    }
    slots_ = last_row - first_row_ + 1;
    for (const ConvJob<T>& job : jobs_)
      for (const Tap& tap : job.taps)
        cols_ = std::max(cols_, (job.out_w - 1) * job.step_w + tap.col - first_col_ + 1);
  }

  // Some rows of sixteen images, some blocks of outputs. The source rows in use are kept in a ring.
  void run_task(int64_t group, int64_t batch, int64_t row_part, int64_t output_part) {
    Scratch<uint16_t> ring(slots_ * row_);
    const int64_t first_block = blocks_ * output_part / output_parts_,
                  last_block = blocks_ * (output_part + 1) / output_parts_;
    const int64_t end = rows_ * (row_part + 1) / row_parts_;
    int64_t packed = INT64_MIN;  // source rows below this are in the ring
    for (int64_t row = rows_ * row_part / row_parts_; row < end; ++row) {
      const int64_t top = row * first_.step_h + first_row_;
      const int64_t bottom = std::min(top + slots_, first_.src_h);
      for (packed = std::max({packed, top, int64_t{0}}); packed < bottom; ++packed)
        if (!pack_row(group, batch, packed, ring.data() + packed % slots_ * row_)) {
          safe_.store(false);
          return;
        }
      for (size_t job = 0; job < jobs_.size(); ++job)
        if (row < jobs_[job].out_h)
          multiply_row(job, group, batch, row, ring.data(), first_block, last_block);
    }
  }

  // [column][step of channels][part][image][channel]
  bool pack_row(int64_t group, int64_t batch, int64_t row, uint16_t* dst) const {
    const ImageView<const T>& src = first_.src;
    const T* start = src.data + batch * kImages * src.image + row * src.row + group * first_.channels;
    const T* pointers[kImages];
    bool safe = true;
    for (int64_t col = 0; col < cols_; ++col, dst += pixel_) {
      const int64_t from = col + first_col_;
      const bool inside = from >= 0 && from < first_.src_w;
      for (int64_t i = 0; i < kImages; ++i)
        pointers[i] = inside ? start + i * src.image + from * src.col : nullptr;
      safe = split_.tile({pointers, first_.channels, dst, 0}) && safe;
    }
    return safe;
  }

  // One row of results of a job.
  void multiply_row(size_t index, int64_t group, int64_t batch, int64_t row, const uint16_t* ring,
                    int64_t first_block, int64_t last_block) {
    const ConvJob<T>& job = jobs_[index];
    Scratch<int64_t> offsets(weights_->steps(index));
    int64_t steps = 0, skipped = 0;
    for (const Tap& tap : job.taps) {
      const int64_t from = row * job.step_h + tap.row;
      if (from < 0 || from >= job.src_h) {
        if (steps == 0) skipped += channel_steps_;
        continue;
      }
      const int64_t start = from % slots_ * row_ + (tap.col - first_col_) * pixel_;
      for (int64_t c = 0; c < channel_steps_; ++c) offsets[steps++] = start + c * split_.tile_step();
    }
    Scratch<const uint16_t*> tiles(job.out_w);
    Scratch<T*> results(job.out_w * kImages);
    for (int64_t x = 0; x < job.out_w; ++x) {
      tiles[x] = ring + x * job.step_w * pixel_;
      T* pixel = job.dst.data + batch * kImages * job.dst.image + row * job.dst.row + x * job.dst.col;
      for (int64_t i = 0; i < kImages; ++i) results[x * kImages + i] = pixel + i * job.dst.image;
    }
    const int64_t column = group * job.outputs + first_block * kSplitLanes;
    const Wide<T>* bias = job.epilogue.bias == nullptr ? nullptr : job.epilogue.bias + column;
    const uint16_t* panels = weights_->panel(index, group * blocks_ + first_block) + skipped * split_.step();
    const int64_t chain = std::min(split_.chain, std::max<int64_t>(1, steps));
    for (int64_t s = 0; s == 0 || s < steps; s += chain) {
      const bool last = s + chain >= steps;
      split_.block({job.out_w * kImages,
                    std::min(job.outputs, last_block * kSplitLanes) - first_block * kSplitLanes,
                    std::min(chain, steps - s), tiles.data(), 64, kSplitTile, offsets.data() + s,
                    panels + s * split_.step(), weights_->panel_size(index), results.data(), column, s > 0,
                    s == 0 ? bias : nullptr, last ? job.epilogue.residual : nullptr, job.dst.data,
                    last && job.epilogue.relu});
    }
  }

  const std::vector<ConvJob<T>>& jobs_;
  const ConvJob<T>& first_;  // for what they share
  const SplitKernel<T>& split_;
  const std::shared_ptr<const SplitWeights> weights_;
  const int64_t channel_steps_, blocks_;
  int64_t rows_ = 0, first_row_ = 0, slots_ = 1, first_col_ = 0, cols_ = 1;
  int64_t pixel_ = 0, row_ = 0;  // numbers
  int64_t row_parts_ = 1, output_parts_ = 1;
  std::atomic<bool> safe_;
};

}  // namespace

template <class T>
bool split_batch_fits(const std::vector<ConvJob<T>>& jobs) {
  const ConvJob<T>& job = jobs[0];
  int64_t taps = 0;
  for (const ConvJob<T>& other : jobs) taps += static_cast<int64_t>(other.taps.size());
  return job.images > 0 && job.images % kImages == 0 && job.src.channel == 1 && job.channels >= 16 &&
         job.outputs >= 16 && taps >= kLeastTaps &&
         taps * job.outputs >= kLeastReuse * job.step_h * job.step_w;
}

template <class T>
bool run_split_batch(const std::vector<ConvJob<T>>& jobs) {
  return SplitBatch<T>(jobs).run();
}

template bool split_batch_fits<float>(const std::vector<ConvJob<float>>&);
template bool split_batch_fits<uint16_t>(const std::vector<ConvJob<uint16_t>>&);
template bool run_split_batch<float>(const std::vector<ConvJob<float>>&);
template bool run_split_batch<uint16_t>(const std::vector<ConvJob<uint16_t>>&);

}  // namespace rushlight::kernels

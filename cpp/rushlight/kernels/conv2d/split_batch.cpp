// Convolutions of many images on AMX tiles.
//
// A tile of A is one pixel of sixteen images: no step, dilation, width or map size leaves a part of a tile
// empty, taps only move addresses, and rows of taps outside the source are left out.
#include <algorithm>
#include <atomic>
#include <type_traits>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/base/trace.h"
#include "rushlight/kernels/conv2d/split.h"
#include "rushlight/kernels/conv2d/weights.h"
#include "rushlight/kernels/conv2d/windows.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kImages = 16;       // in a tile
constexpr int64_t kLeastReuse = 128;  // products per number of the source from which splitting pays
constexpr int64_t kLeastTaps = 3;     // with fewer the time goes into the results, which lie far apart
// Rows of results from which threads each keep a ring of source rows (their first and last ones are split
// twice), and bytes of packed weights up to which they do: those are read again for every row.
constexpr int64_t kRingRows = 8, kRingWeights = 4096 * 1024;
constexpr int64_t kCachedWeights = 900 * 1024;  // bytes of packed weights that stay in the L2 cache
constexpr int64_t kSlab = int64_t{16} << 20;    // bytes of split sources of several units
constexpr int64_t kTasks = 8;                   // wanted at least
constexpr int64_t kOwnSource = 1200 * 1024;     // bytes of all split sources that leave room for weights
constexpr int64_t kNarrow = 14;                 // shorter rows are multiplied together,
constexpr int64_t kRunPixels = 64;              // so many pixels

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A unit is sixteen images of a group. Its source becomes tiles [row][column][step of channels][part][image]
// [channel]: where maps have many rows and weights are few, a ring of the rows in use in the L2 cache of a
// thread that walks down the results; else all of it, and tasks share it.
template <class T>
class SplitBatch {
 public:
  // `windows`: what the only job reads, or null.
  SplitBatch(const std::vector<ConvJob<T>>& jobs, const Windows<T>* windows)
      : jobs_(jobs),
        first_(jobs[0]),
        split_(split_kernel<T>()),
        windows_(windows),
        blocks_(ceil_div(first_.outputs, kSplitLanes)),
        units_(first_.groups * (first_.images / kImages)) {
    measure();
    pixel_ = split_steps(first_.channels) * split_.tile_step();
    row_ = cols_ * pixel_;
    size_ = first_.src_h * row_;
    weights_later_ = first_.kept == nullptr && blocks_ >= kTasks && 2 * units_ * size_ <= kOwnSource;
    weights_ = SplitWeights::of(jobs, weights_kernel(split_), 1, weights_later_);
    safe_ = weights_->safe();
    block_bytes_ = 2 * weights_->block_size();
  }

  bool run() {
    if (weights_later_)
      run_blocks();
    else if (units_ * rows_ >= kRingRows && blocks_ * block_bytes_ <= kRingWeights)
      run_rings();
    else
      run_slabs();
    if (!safe_.load()) return false;
    trace::note_kernel(split_.conv2d_name);
    return true;
  }

 private:
  // Split source rows: row r is at data + r % slots * row_.
  struct Source {
    uint16_t* data;
    int64_t slots;
  };
  struct Outputs {
    int64_t first, last;  // blocks
    const uint16_t* first_panels;
  };
  Outputs outputs_of(int64_t unit, int64_t first, int64_t last) const {
    return {first, last, weights_->panel(0, unit % first_.groups * blocks_ + first)};
  }

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
    tap_rows_ = last_row - first_row_ + 1;
    for (const ConvJob<T>& job : jobs_)
      for (const Tap& tap : job.taps)
        cols_ = std::max(cols_, (job.out_w - 1) * job.step_w + tap.col - first_col_ + 1);
  }

  // Threads take equal runs of rows. The cut decides who splits which source rows, not a bit of the results.
  void run_rings() {
    const int64_t total = units_ * rows_, runs = std::min<int64_t>(num_threads(), total);
    parallel_for(runs, 1, [&](int64_t begin, int64_t end) {
      Scratch<uint16_t> ring(tap_rows_ * row_);
      for (int64_t run = begin; run < end; ++run)
        for (int64_t row = total * run / runs, stop = total * (run + 1) / runs; row < stop;) {
          const int64_t unit = row / rows_, count = std::min(rows_ - row % rows_, stop - row);
          walk(unit, row % rows_, row % rows_ + count, {ring.data(), tap_rows_});
          row += count;
        }
    });
  }

  void walk(int64_t unit, int64_t row, int64_t end, Source ring) {
    int64_t packed = 0;  // source rows below this are in the ring
    for (; row < end && safe_.load(std::memory_order_relaxed); ++row) {
      const int64_t top = row * first_.step_h + first_row_;
      const int64_t bottom = std::min(top + tap_rows_, first_.src_h);
      for (packed = std::max(packed, top); packed < bottom; ++packed) pack_row(unit, packed, ring);
      for (size_t job = 0; job < jobs_.size(); ++job)
        if (row < jobs_[job].out_h) multiply(job, unit, row, row + 1, ring, outputs_of(unit, 0, blocks_));
    }
  }

  // Some units at a time are split, then multiplied.
  void run_slabs() {
    const int64_t slab = std::clamp<int64_t>(kSlab / (2 * size_), 1, units_);
    Scratch<uint16_t> sources(slab * size_);
    const int64_t output_parts =
        first_.out_w < kNarrow ? std::max(ceil_div(blocks_, 4), std::min(blocks_, ceil_div(kTasks, units_)))
                               : ceil_div(blocks_, std::max<int64_t>(1, kCachedWeights / block_bytes_));
    for (int64_t first = 0; first < units_; first += slab) {
      const int64_t units = std::min(slab, units_ - first);
      pack_units(first, units, sources.data());
      const int64_t row_parts = std::clamp<int64_t>(ceil_div(kTasks, units * output_parts), 1, rows_);
      const int64_t parts =
          units * row_parts;  // for each part of the outputs, whose weights stay in the cache
      parallel_for(output_parts * parts, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end && safe_.load(std::memory_order_relaxed); ++i) {
          const int64_t unit = i % parts / row_parts, rows = i % row_parts, outputs = i / parts;
          multiply_rows(first + unit, rows_ * rows / row_parts, rows_ * (rows + 1) / row_parts,
                        {sources.data() + unit * size_, first_.src_h},
                        outputs_of(first + unit, blocks_ * outputs / output_parts,
                                   blocks_ * (outputs + 1) / output_parts));
        }
      });
    }
  }

  // Many weights and few pixels: whoever multiplies a block of outputs packs its weights, which stay in the
  // L2 cache.
  void run_blocks() {
    Scratch<uint16_t> sources(units_ * size_);
    pack_units(0, units_, sources.data());
    parallel_for(first_.groups * blocks_, 1, [&](int64_t begin, int64_t end) {
      Scratch<uint16_t> panels(weights_->block_size());
      for (int64_t i = begin; i < end && safe_.load(std::memory_order_relaxed); ++i) {
        if (!weights_->pack(jobs_, weights_kernel(split_), 1, i, panels.data())) safe_.store(false);
        const int64_t block = i % blocks_;
        for (int64_t unit = i / blocks_; unit < units_; unit += first_.groups)
          multiply_rows(unit, 0, rows_, {sources.data() + unit * size_, first_.src_h},
                        {block, block + 1, panels.data()});
      }
    });
  }

  void pack_units(int64_t first, int64_t units, uint16_t* sources) {
    parallel_for(units * first_.src_h, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        pack_row(first + i / first_.src_h, i % first_.src_h,
                 {sources + i / first_.src_h * size_, first_.src_h});
    });
  }

  // Rows [row, end), several at once where they are short and have the same taps.
  void multiply_rows(int64_t unit, int64_t row, int64_t end, Source source, Outputs outputs) {
    for (size_t index = 0; index < jobs_.size(); ++index) {
      const ConvJob<T>& job = jobs_[index];
      for (int64_t start = row, stop; start < std::min(end, job.out_h); start = stop) {
        for (stop = start + 1; stop < std::min(end, job.out_h); ++stop)
          if (job.out_w >= kNarrow || (stop + 1 - start) * job.out_w > kRunPixels ||
              !same_taps(job, start, stop))
            break;
        multiply(index, unit, start, stop, source, outputs);
      }
    }
  }

  static bool reads(const ConvJob<T>& job, int64_t row, const Tap& tap) {
    const int64_t from = row * job.step_h + tap.row;
    return from >= 0 && from < job.src_h;
  }
  static bool same_taps(const ConvJob<T>& job, int64_t row, int64_t other) {
    return std::all_of(job.taps.begin(), job.taps.end(),
                       [&](const Tap& tap) { return reads(job, row, tap) == reads(job, other, tap); });
  }

  void pack_row(int64_t unit, int64_t row, Source to) {
    const int64_t batch = unit / first_.groups, group = unit % first_.groups;
    ImageView<const T> src = first_.src;
    src.data += batch * kImages * src.image + row * src.row + group * first_.channels * src.channel;
    // Channels side by side, if they are not.
    const bool copy = windows_ != nullptr || src.channel != 1;
    const int64_t size = windows_ != nullptr ? windows_->row_size() : first_.src_w * first_.channels;
    Scratch<T> pixels(copy ? kImages * size : 0);
    if (copy) {
      for (int64_t i = 0; i < kImages; ++i) copy_channels(src.data + i * src.image, size, &pixels[i * size]);
      src = {pixels.data(), size, 0, windows_ != nullptr ? src.col : first_.channels, 1};
    }
    uint16_t* dst = to.data + row % to.slots * row_;
    const T* pointers[kImages];
    bool safe = true;
    for (int64_t col = 0; col < cols_; ++col, dst += pixel_) {
      const int64_t from = col + first_col_;
      const bool inside = from >= 0 && from < first_.src_w;
      for (int64_t i = 0; i < kImages; ++i)
        pointers[i] = inside ? src.data + i * src.image + from * src.col : nullptr;
      safe = split_.tile({pointers, first_.channels, dst, 0}) && safe;
    }
    if (!safe) safe_.store(false, std::memory_order_relaxed);
  }

  // A row of an image, channels side by side, with the zeros around it that windows reach.
  void copy_channels(const T* data, int64_t size, T* dst) const {
    ImageView<const T> src = first_.src;
    int64_t channels = first_.channels, count = first_.src_w;
    if (windows_ != nullptr) {
      src = windows_->source(), channels = windows_->channels();
      const int64_t cols = size / channels, first = windows_->first_col();
      const int64_t begin = std::clamp<int64_t>(-first, 0, cols);
      count = std::clamp<int64_t>(windows_->columns() - first, begin, cols) - begin;
      std::fill_n(dst, begin * channels, T(0));
      std::fill(dst + (begin + count) * channels, dst + size, T(0));
      data += (begin + first) * src.col, dst += begin * channels;
    }
    if constexpr (std::is_same_v<T, float>)
      if (src.col == 1)
        return select_gemm<float>(Isa::Avx512).pack({channels, channels, count, data, src.channel, 1, dst});
    for (int64_t col = 0; col < count; ++col)
      for (int64_t c = 0; c < channels; ++c) dst[col * channels + c] = data[col * src.col + c * src.channel];
  }

  // Rows [row, end) of results of a job, which have the same taps.
  void multiply(size_t index, int64_t unit, int64_t row, int64_t end, Source source, Outputs outputs) {
    const ConvJob<T>& job = jobs_[index];
    const int64_t batch = unit / job.groups, group = unit % job.groups;
    Scratch<int64_t> offsets(weights_->steps(index));
    int64_t steps = 0, skipped = 0;
    for (const SplitWeights::Step& step : weights_->order(index)) {
      const Tap& tap = job.taps[static_cast<size_t>(step.tap)];
      if (reads(job, row, tap))
        offsets[steps++] = (row * job.step_h + tap.row) % source.slots * row_ +
                           (tap.col - first_col_) * pixel_ + step.channel / kSplitDepth * split_.tile_step();
      else if (steps == 0)
        ++skipped;
    }
    const int64_t pixels = (end - row) * job.out_w;
    Scratch<const uint16_t*> tiles(pixels);
    Scratch<T*> results(pixels * kImages);
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      const int64_t y = pixel / job.out_w, x = pixel % job.out_w;
      tiles[pixel] = source.data + y * job.step_h * row_ + x * job.step_w * pixel_;
      T* result = job.dst.data + batch * kImages * job.dst.image + (row + y) * job.dst.row + x * job.dst.col;
      for (int64_t i = 0; i < kImages; ++i) results[pixel * kImages + i] = result + i * job.dst.image;
    }
    const int64_t column = group * job.outputs + outputs.first * kSplitLanes;
    const int64_t columns = std::min(job.outputs, outputs.last * kSplitLanes) - outputs.first * kSplitLanes;
    const Wide<T>* bias = job.epilogue.bias == nullptr ? nullptr : job.epilogue.bias + column;
    const bool chains = steps > split_.chain;
    Scratch<float> totals(chains ? split_totals(pixels * kImages, columns) : 0);
    split_.block({pixels * kImages, columns, steps, tiles.data(), 64, kSplitTile, offsets.data(),
                  outputs.first_panels + weights_->offset(index) + skipped * split_.step(),
                  weights_->block_size(), results.data(), column, false, bias, job.epilogue.residual,
                  job.dst.data, job.epilogue.relu, chains ? totals.data() : nullptr});
  }

  const std::vector<ConvJob<T>>& jobs_;
  const ConvJob<T>& first_;  // for what they share
  const SplitKernel<T>& split_;
  const Windows<T>* const windows_;
  const int64_t blocks_, units_;
  bool weights_later_;  // packed by the tasks that use them
  std::shared_ptr<const SplitWeights> weights_;
  int64_t block_bytes_ = 0;  // of packed weights, in all jobs
  int64_t rows_ = 0, first_row_ = 0, tap_rows_ = 1, first_col_ = 0, cols_ = 1;
  int64_t pixel_ = 0, row_ = 0, size_ = 0;  // numbers
  std::atomic<bool> safe_;
};

}  // namespace

template <class T>
bool split_batch_fits(const std::vector<ConvJob<T>>& jobs) {
  const ConvJob<T>& job = jobs[0];
  int64_t taps = 0;
  for (const ConvJob<T>& other : jobs) taps += static_cast<int64_t>(other.taps.size());
  return job.images > 0 && job.images % kImages == 0 &&
         (job.channels >= 16 || (jobs.size() == 1 && Windows<T>::fit(job))) && job.outputs >= 16 &&
         taps >= kLeastTaps && taps * job.outputs >= kLeastReuse * job.step_h * job.step_w;
}

template <class T>
bool run_split_batch(const std::vector<ConvJob<T>>& jobs) {
  if (!Windows<T>::fit(jobs[0])) return SplitBatch<T>(jobs, nullptr).run();
  const Windows<T> windows(jobs[0]);
  const std::vector<ConvJob<T>> job{windows.job()};
  return SplitBatch<T>(job, &windows).run();
}

template bool split_batch_fits<float>(const std::vector<ConvJob<float>>&);
template bool split_batch_fits<uint16_t>(const std::vector<ConvJob<uint16_t>>&);
template bool run_split_batch<float>(const std::vector<ConvJob<float>>&);
template bool run_split_batch<uint16_t>(const std::vector<ConvJob<uint16_t>>&);

}  // namespace rushlight::kernels

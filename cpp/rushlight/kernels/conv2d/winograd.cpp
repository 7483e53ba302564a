// Forward and the gradient of the source: see Note [Winograd].
#include "rushlight/kernels/conv2d/winograd.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/base/trace.h"
#include "rushlight/kernels/conv2d/source.h"
#include "rushlight/kernels/conv2d/weights.h"
#include "rushlight/kernels/conv2d/winograd_levels.h"

namespace rushlight::kernels {
namespace {

// With fewer channels the error of the transforms exceeds that of one long sum.
constexpr int64_t kChannels = 64;
constexpr int64_t kBlocks = 8;  // of tiles, wanted at least
// ConvBlock's chain: transformed numbers are larger than what becomes of them, so that short sums are needed
// to err as little as the direct way. That errs less on small maps, where many of its products are with
// zeros.
constexpr int64_t kChain = 16, kSmallMapChain = 8, kSmallMap = 12;
constexpr int64_t kOutputs = 64;  // summed before they are transformed back, at least
// Numbers of the transformed source in a block that one thread works off, and in one that all share.
constexpr int64_t kOwnNumbers = 1 << 16, kSharedNumbers = 1 << 20;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

class Winograd {
 public:
  Winograd(const ConvJob<float>& job, const ConvKernel<float>& kernel)
      : job_(job),
        kernel_(kernel),
        steps_(winograd_kernel(kernel.isa)),
        grid_(job.images, job.out_h, job.out_w),
        weights_(WinogradWeights::of(job, kernel)),
        pitch_(winograd_pitch(job.channels)),
        blocks_(ceil_div(job.outputs, kernel.outputs)),
        chain_(std::min(job.out_h, job.out_w) > kSmallMap ? kChain : kSmallMapChain),
        safe_(weights_->safe()) {
    // A block is worked off by one thread, from its cache; where the weights alone do not fit there, all
    // threads share larger blocks.
    const int64_t unit = kernel.groups * kernel.length;
    shared_ = job.channels * job.outputs >= kWinogradShared;
    const int64_t numbers = shared_ ? kSharedNumbers : kOwnNumbers;
    int64_t tiles = std::max(numbers / (kFrequencies * pitch_), unit);
    if (!shared_) tiles = std::min(tiles, ceil_div(grid_.tiles(), kBlocks));
    tiles_ = ceil_div(std::min(tiles, grid_.tiles()), unit) * unit;
    outputs_ = shared_ ? blocks_ : std::min(blocks_, ceil_div(kOutputs, kernel.outputs));
    result_pitch_ = winograd_pitch(outputs_ * kernel.outputs);
  }

  bool run() {
    const int64_t count = ceil_div(grid_.tiles(), tiles_);
    parallel_for(count, shared_ ? count : 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end && safe_.load(std::memory_order_relaxed); ++i)
        run_block(i * tiles_, std::min(tiles_, grid_.tiles() - i * tiles_));
    });
    if (!safe_.load()) return false;
    trace::note_kernel(steps_.name);
    return true;
  }

 private:
  void run_block(int64_t first, int64_t count) {
    Scratch<float> source(kFrequencies * winograd_plane(tiles_, pitch_));
    Scratch<float> results(kFrequencies * winograd_plane(tiles_, result_pitch_));
    const int64_t grain = std::max<int64_t>(1, ceil_div(count, 16));
    parallel_for(count, grain, [&](int64_t begin, int64_t end) {
      transform(first + begin, end - begin, source.data() + begin * pitch_);
    });
    if (!safe_.load(std::memory_order_relaxed)) return;
    for (int64_t block = 0; block < blocks_; block += outputs_) {
      const int64_t last = std::min(block + outputs_, blocks_);
      parallel_for(kFrequencies, 1, [&](int64_t begin, int64_t end) {
        for (int64_t f = begin; f < end; ++f)
          multiply(f, count, block, last, source.data() + f * winograd_plane(tiles_, pitch_),
                   results.data() + f * winograd_plane(tiles_, result_pitch_));
      });
      parallel_for(count, grain, [&](int64_t begin, int64_t end) {
        finish(first + begin, end - begin, block, last, results.data() + begin * result_pitch_);
      });
    }
  }

  void transform(int64_t first, int64_t count, float* dst) {
    grid_.for_each_row(
        first, count, [&](int64_t image, int64_t row, int64_t col, int64_t done, int64_t tiles) {
          WinogradTiles x = winograd_tiles(job_.src, job_.src_h, job_.src_w, job_.channels, image,
                                           row + job_.taps[0].row, col + job_.taps[0].col, tiles);
          x.dst = dst + done * pitch_, x.pitch = pitch_, x.plane = winograd_plane(tiles_, pitch_);
          if (!steps_.source(x)) safe_.store(false, std::memory_order_relaxed);
        });
  }

  // One frequency of `count` tiles, for some blocks of outputs. Rows that the last register tile has beyond
  // them are computed from whatever the memory holds.
  void multiply(int64_t frequency, int64_t count, int64_t block, int64_t last, const float* src, float* dst) {
    const int64_t runs = ceil_div(count, kernel_.groups * kernel_.length) * kernel_.groups;
    Scratch<const float*> from(runs);
    Scratch<float*> to(runs);
    const int64_t first = block;
    for (; block < last; ++block) {
      for (int64_t i = 0; i < runs; ++i) {
        from[i] = src + i * kernel_.length * pitch_;
        to[i] = dst + i * kernel_.length * result_pitch_ + (block - first) * kernel_.outputs;
      }
      const int64_t no_offset = 0;
      kernel_.block({runs / kernel_.groups,
                     from.data(),
                     to.data(),
                     1,
                     &no_offset,
                     job_.channels,
                     chain_,
                     pitch_,
                     result_pitch_,
                     0,
                     weights_->panel(block, frequency),
                     std::min(kernel_.outputs, job_.outputs - block * kernel_.outputs),
                     {},
                     nullptr});
    }
  }

  void finish(int64_t first, int64_t count, int64_t block, int64_t last, const float* src) {
    const int64_t output = block * kernel_.outputs;
    ConvEpilogue<float> epilogue = job_.epilogue;
    if (epilogue.bias != nullptr) epilogue.bias += output;
    grid_.for_each_row(
        first, count, [&](int64_t image, int64_t row, int64_t col, int64_t done, int64_t tiles) {
          steps_.result(
              {src + done * result_pitch_, result_pitch_, winograd_plane(tiles_, result_pitch_),
               std::min(job_.outputs, last * kernel_.outputs) - output,
               job_.dst.data + image * job_.dst.image + row * job_.dst.row + col * job_.dst.col + output,
               job_.dst.row, job_.dst.col, std::min<int64_t>(2, job_.out_h - row),
               std::min(2 * tiles, job_.out_w - col), epilogue, job_.dst.data});
        });
  }

  const ConvJob<float>& job_;
  const ConvKernel<float>& kernel_;
  const WinogradKernel& steps_;
  const WinogradGrid grid_;
  const std::shared_ptr<const WinogradWeights> weights_;
  const int64_t pitch_, blocks_, chain_;
  bool shared_;
  int64_t tiles_, outputs_;  // of a block: tiles, blocks of outputs computed together
  int64_t result_pitch_;
  std::atomic<bool> safe_;
};

const WinogradKernel kKernels[] = {
#define RUSHLIGHT_WINOGRAD_KERNEL(level, LEVEL)                                                  \
  {"conv2d_f32_winograd_" #level,  LEVEL(&level::winograd_source), LEVEL(&level::winograd_grad), \
   LEVEL(&level::winograd_result), LEVEL(&level::winograd_weight), LEVEL(&level::winograd_grad_weight)}
    RUSHLIGHT_WINOGRAD_KERNEL(generic, ),
    RUSHLIGHT_WINOGRAD_KERNEL(avx2, RUSHLIGHT_AVX2),
    RUSHLIGHT_WINOGRAD_KERNEL(avx512, RUSHLIGHT_AVX512),
#undef RUSHLIGHT_WINOGRAD_KERNEL
};

}  // namespace

const WinogradKernel& winograd_kernel(Isa isa) {
  int level = std::min(static_cast<int>(isa), static_cast<int>(Isa::Avx512));
  while (kKernels[level].source == nullptr) --level;
  return kKernels[level];
}

bool winograd_fits(const ConvJob<float>& job) {
  if (job.taps.size() != 9 || job.step_h != 1 || job.step_w != 1 || job.groups != 1) return false;
  for (int64_t t = 0; t < 9; ++t)
    if (job.taps[t].row != job.taps[0].row + t / 3 || job.taps[t].col != job.taps[0].col + t % 3)
      return false;
  const WinogradGrid grid(job.images, job.out_h, job.out_w);
  return job.channels >= kChannels && job.outputs >= 16 && grid.pays();
}

bool run_winograd(const ConvJob<float>& job, const ConvKernel<float>& kernel) {
  const TouchingChannels<float> src(job.src, job.images, job.src_h, job.src_w, job.channels);
  ConvJob<float> touching = job;
  touching.src = src.view();
  return Winograd(touching, kernel).run();
}

}  // namespace rushlight::kernels

// See Note [Winograd on tiles].
#include "rushlight/kernels/conv2d/winograd_tiles.h"

#include <algorithm>
#include <atomic>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/base/trace.h"
#include "rushlight/kernels/conv2d/source.h"
#include "rushlight/kernels/conv2d/weights.h"
#include "rushlight/kernels/conv2d/winograd.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kSourceBytes = 200 * 1024;  // of a row of frequencies, which the L2 cache holds twice
constexpr int64_t kTilesThatPay = 400;        // for transforming the weights
constexpr int64_t kFewParts = 128;            // channels from which two parts gain more than sources cost
constexpr int64_t kLeastTiles = 64;           // of a block: fewer read weights too often

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// For two parts and for three.
constexpr const char* kNames[] = {"conv2d_f32_winograd_x3_amx", "conv2d_f32_winograd_x6_amx"};
bool (*const kPhases[])(const WinogradPhase&) = {RUSHLIGHT_AMX(&amx::winograd_phase_2),
                                                 RUSHLIGHT_AMX(&amx::winograd_phase_3)};

class WinogradTileRun {
 public:
  explicit WinogradTileRun(const ConvJob<float>& job)
      : job_(job),
        split_(split_kernel<float>()),
        grid_(job.images, job.out_h, job.out_w),
        weights_(WinogradTileWeights::of(job, split_)),
        steps_(job.channels / kSplitDepth),
        safe_(weights_->safe()) {
    const int64_t tile = kWinogradRow * steps_ * split_.tile_step() / 16 * 2;  // bytes
    tiles_ = std::max(kSourceBytes / tile / kWinogradPair * kWinogradPair, kLeastTiles);
  }

  // Threads take equal runs of tiles. The cut does not change a bit of the results.
  bool run() {
    const int64_t units = ceil_div(grid_.tiles(), 16), runs = std::min<int64_t>(num_threads(), units);
    parallel_for(runs, 1, [&](int64_t begin, int64_t end) {
      for (int64_t run = begin; run < end; ++run)
        walk(units * run / runs * 16, std::min(units * (run + 1) / runs * 16, grid_.tiles()));
    });
    if (!safe_.load()) return false;
    trace::note_kernel(kNames[split_.parts - 2]);
    return true;
  }

 private:
  struct Block {
    explicit Block(int64_t most) : runs(most), places(most) {}
    Scratch<WinogradRun> runs;
    Scratch<WinogradPlace> places;
    int64_t run_count = 0, tiles = 0;
  };

  // Phase p multiplies what phase p - 1 transformed, while the source of the block after that is asked for.
  void walk(int64_t first, int64_t end) {
    const int64_t count = ceil_div(end - first, tiles_);
    const int64_t size = ceil_div(ceil_div(end - first, count), kWinogradPair) * kWinogradPair;
    const int64_t plane = size / 16 * steps_ * split_.tile_step() + 32;  // an odd count of cache lines
    Scratch<uint16_t> source(2 * kWinogradRow * plane);
    Scratch<float> sums(2 * kWinogradSums);
    Block blocks[] = {Block(size), Block(size), Block(size)};
    WinogradPending pending{};
    WinogradPhase x{};
    x.steps = steps_, x.panels = job_.outputs / kSplitLanes;
    x.cols = job_.src_w, x.pixel = job_.src.col, x.dst_row = job_.dst.row, x.dst_pixel = job_.dst.col;
    x.epilogue = job_.epilogue, x.dst_start = job_.dst.data, x.plane = plane;
    x.sums[0] = sums.data(), x.sums[1] = sums.data() + kWinogradSums, x.pending = &pending;
    place(first, std::min(end, first + size), blocks[0]);
    for (int64_t p = -1; p < count * kWinogradRow && safe_.load(std::memory_order_relaxed); ++p) {
      const int64_t next = p + 1;
      Block &now = blocks[std::max<int64_t>(p, 0) / kWinogradRow % 3],
            &then = blocks[next / kWinogradRow % 3];
      Block& ahead = blocks[(next / kWinogradRow + 1) % 3];
      if (next % kWinogradRow == 0) {
        const int64_t start = first + (next / kWinogradRow + 1) * size;
        place(start, std::min(end, start + size), ahead);
      }
      x.row = static_cast<int>(p & 3), x.tiles = p < 0 ? 0 : now.tiles, x.places = now.places.data();
      x.source = source.data() + (p & 1) * kWinogradRow * plane, x.weights = weights_->row(x.row);
      x.next_row = static_cast<int>(next & 3), x.next = source.data() + (next & 1) * kWinogradRow * plane;
      x.runs = then.runs.data(), x.next_runs = then.run_count;
      x.ahead = ahead.runs.data(), x.ahead_runs = ahead.run_count;
      if (!kPhases[split_.parts - 2](x)) safe_.store(false, std::memory_order_relaxed);
    }
  }

  // Tiles [first, end), if there are any.
  void place(int64_t first, int64_t end, Block& block) {
    block.run_count = 0, block.tiles = std::max<int64_t>(end - first, 0);
    grid_.for_each_row(
        first, end - first, [&](int64_t image, int64_t row, int64_t col, int64_t done, int64_t tiles) {
          const WinogradTiles x = winograd_tiles(job_.src, job_.src_h, job_.src_w, job_.channels, image,
                                                 row + job_.taps[0].row, col + job_.taps[0].col, tiles);
          for (int64_t t = 0; t < tiles; t += kWinogradRun)
            block.runs[block.run_count++] = {{x.rows[0], x.rows[1], x.rows[2], x.rows[3]},
                                             x.first_col + 2 * t,
                                             done + t,
                                             std::min(kWinogradRun, tiles - t)};
          float* dst = job_.dst.data + image * job_.dst.image + row * job_.dst.row + col * job_.dst.col;
          for (int64_t t = 0; t < tiles; ++t)
            block.places[done + t] = {dst + 2 * t * job_.dst.col, std::min<int64_t>(2, job_.out_h - row),
                                      std::min<int64_t>(2, job_.out_w - col - 2 * t)};
        });
  }

  const ConvJob<float>& job_;
  const SplitKernel<float>& split_;
  const WinogradGrid grid_;
  const std::shared_ptr<const WinogradTileWeights> weights_;
  const int64_t steps_;
  int64_t tiles_;  // of a block
  std::atomic<bool> safe_;
};

}  // namespace

bool winograd_tiles_fit(const ConvJob<float>& job) {
  const int64_t parts = split_kernel<float>().parts;
  const int64_t tiles = WinogradGrid(job.images, job.out_h, job.out_w).tiles();
  return parts > 1 && winograd_fits(job) && tiles >= kTilesThatPay && job.channels % kSplitDepth == 0 &&
         job.outputs % kSplitLanes == 0 && (parts == 3 || job.channels >= kFewParts);
}

bool run_winograd_tiles(const ConvJob<float>& job) {
  const TouchingChannels<float> src(job.src, job.images, job.src_h, job.src_w, job.channels);
  ConvJob<float> touching = job;
  touching.src = src.view();
  return WinogradTileRun(touching).run();
}

}  // namespace rushlight::kernels

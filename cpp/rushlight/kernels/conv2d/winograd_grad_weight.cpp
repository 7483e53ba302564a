// The gradient of the weight: see Note [Winograd].
#include <algorithm>
#include <atomic>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/base/trace.h"
#include "rushlight/kernels/conv2d/output_sums.h"
#include "rushlight/kernels/conv2d/source.h"
#include "rushlight/kernels/conv2d/winograd.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kPieces = 8;       // of the tiles, each with sums of its own
constexpr int64_t kChainTiles = 32;  // summed in registers before they join the sum in memory
// Transformed numbers of the tiles that one thread, or all together, multiply at a time.
constexpr int64_t kOwnNumbers = 1 << 18, kSharedNumbers = 1 << 20;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

class WinogradGradWeight {
 public:
  WinogradGradWeight(const Conv2dParams& p, ImageView<const float> src, ImageView<const float> grad)
      : p_(p),
        src_(src),
        grad_(grad),
        gemm_(select_gemm<float>(active_isa())),
        steps_(winograd_kernel(active_isa())),
        grid_(p.images, p.out_h(), p.out_w()),
        src_pitch_(winograd_pitch(p.in_channels)),
        grad_pitch_(winograd_pitch(p.out_channels)),
        panel_(p.in_channels * gemm_.nr),
        blocks_(ceil_div(p.out_channels, gemm_.nr)) {
    const bool shared = p.in_channels * p.out_channels >= kWinogradShared;
    const int64_t numbers = shared ? kSharedNumbers : kOwnNumbers;
    const int64_t pieces = shared ? 1 : std::min(kPieces, ceil_div(grid_.tiles(), 16));
    per_piece_ = ceil_div(grid_.tiles(), pieces);
    pieces_ = ceil_div(grid_.tiles(), per_piece_);
    const int64_t parts =
        std::max<int64_t>(1, per_piece_ * kFrequencies * (src_pitch_ + grad_pitch_) / numbers);
    tiles_ = std::max<int64_t>(16, ceil_div(per_piece_, parts));
  }

  bool run(float* grad_weight) {
    Scratch<float> sums(pieces_ * blocks_ * kFrequencies * panel_);
    parallel_for(pieces_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end && safe_.load(std::memory_order_relaxed); ++i)
        sum_piece(i, sums.data() + i * blocks_ * kFrequencies * panel_);
    });
    if (!safe_.load()) return false;
    trace::note_kernel(steps_.name);
    parallel_for(blocks_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block) {
        const int64_t piece = blocks_ * kFrequencies * panel_;
        float* first = sums.data() + block * kFrequencies * panel_;
        for (int64_t i = 0; i < pieces_; ++i) steps_.grad_weight(first + i * piece, panel_);
        finish_outputs<float>(p_, {first, gemm_.nr, pieces_, piece}, 0, block * gemm_.nr, grad_weight);
      }
    });
    return true;
  }

 private:
  // A piece's tiles, a part of them at a time. A single piece is done by all threads.
  void sum_piece(int64_t piece, float* sums) {
    const int64_t src_plane = winograd_plane(tiles_, src_pitch_),
                  grad_plane = winograd_plane(tiles_, grad_pitch_);
    Scratch<float> src(kFrequencies * src_plane), grad(kFrequencies * grad_plane);
    const int64_t start = piece * per_piece_, end = std::min(start + per_piece_, grid_.tiles());
    for (int64_t first = start; first < end && safe_.load(std::memory_order_relaxed); first += tiles_) {
      const int64_t count = std::min(tiles_, end - first);
      parallel_for(count, ceil_div(count, 16), [&](int64_t from, int64_t to) {
        transform(first + from, to - from, src.data() + from * src_pitch_, src_plane,
                  grad.data() + from * grad_pitch_, grad_plane);
      });
      parallel_for(kFrequencies, 1, [&](int64_t from, int64_t to) {
        for (int64_t f = from; f < to; ++f)
          multiply(count, src.data() + f * src_plane, grad.data() + f * grad_plane, sums + f * panel_,
                   first != start);
      });
    }
  }

  void transform(int64_t first, int64_t count, float* src, int64_t src_plane, float* grad,
                 int64_t grad_plane) {
    grid_.for_each_row(
        first, count, [&](int64_t image, int64_t row, int64_t col, int64_t done, int64_t tiles) {
          WinogradTiles x = winograd_tiles(src_, p_.in_h, p_.in_w, p_.in_channels, image, row - p_.pad_h,
                                           col - p_.pad_w, tiles);
          x.dst = src + done * src_pitch_, x.pitch = src_pitch_, x.plane = src_plane;
          WinogradTiles g =
              winograd_tiles(grad_, grid_.out_h, grid_.out_w, p_.out_channels, image, row, col, tiles);
          g.dst = grad + done * grad_pitch_, g.pitch = grad_pitch_, g.plane = grad_plane;
          if (!steps_.source(x) || !steps_.grad(g)) safe_.store(false, std::memory_order_relaxed);
        });
  }

  void multiply(int64_t count, const float* src, const float* grad, float* sums, bool add) {
    const int64_t rows = even_rows(p_.in_channels, gemm_.mr);
    const int64_t parts = ceil_div(count, kChainTiles);
    for (int64_t block = 0; block < blocks_; ++block)
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t first = count * part / parts;
        const float* start = src + first * src_pitch_;
        gemm_.block({p_.in_channels, std::min(gemm_.nr, p_.out_channels - block * gemm_.nr),
                     count * (part + 1) / parts - first, rows, 1, &start, rows, src_pitch_,
                     grad + first * grad_pitch_ + block * gemm_.nr, 0, grad_pitch_, 0,
                     sums + block * kFrequencies * panel_, gemm_.nr, add || part > 0, nullptr});
      }
  }

  const Conv2dParams& p_;
  const ImageView<const float> src_, grad_;
  const GemmKernel<float>& gemm_;
  const WinogradKernel& steps_;
  const WinogradGrid grid_;
  const int64_t src_pitch_, grad_pitch_;
  const int64_t panel_, blocks_;  // sums of a frequency of a block of outputs
  int64_t pieces_, per_piece_, tiles_;
  std::atomic<bool> safe_{true};
};

}  // namespace

bool winograd_grad_weight_fits(const Conv2dParams& p) {
  const WinogradGrid grid(p.images, p.out_h(), p.out_w());
  return p.kernel_h == 3 && p.kernel_w == 3 && p.stride_h == 1 && p.stride_w == 1 && p.dilation_h == 1 &&
         p.dilation_w == 1 && p.groups == 1 && p.in_channels >= 16 && p.out_channels >= 16 && grid.pays();
}

bool winograd_grad_weight(const Conv2dParams& p, ImageView<const float> src, ImageView<const float> grad_dst,
                          float* grad_weight) {
  const TouchingChannels<float> touching(src, p.images, p.in_h, p.in_w, p.in_channels);
  return WinogradGradWeight(p, touching.view(), grad_dst).run(grad_weight);
}

}  // namespace rushlight::kernels

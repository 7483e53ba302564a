// float32 convolutions with 3x3 taps in fewer multiplications.
//
// Note [Winograd]
// F(2x2, 3x3): 2x2 results of a tile need 4x4 pixels and 36 products for each pair of channels. Transformed,
//   source V = B' d B, weights U = G g G', results A' (sum over channels of V * U) A,
// 16 products are enough; the transforms are additions (and halves, for weights). For each of the 16 numbers
// ("frequencies") of a tile the sum over channels is a matrix product of tiles and outputs, done by the
// convolution's register tiles. The gradient of the weight is the same sum over tiles:
//   G' (sum over tiles of V * A g A') G.
// On ResNet-18's layers the error is measured to be at most that of PyTorch's float32, which larger tiles
// would exceed, as would weights and results transformed in float32, and long chains of products. Sums of
// four pixels reach further than the pixels themselves: infinities, NaN and values so large that they could
// overflow would spread to neighbours. The transforms report them, and FMA does the work, so that results are
// float32's.
#pragma once

#include "rushlight/kernels/conv2d/job.h"
#include "rushlight/kernels/conv2d/winograd_steps.h"

namespace rushlight::kernels {

// Whether it beats FMA: 3x3 taps without steps, and enough tiles to pay for the transforms.
bool winograd_fits(const ConvJob<float>& job);
// Runs it on the register tiles of `kernel`. Returns false if source or weights hold values that it does not
// serve; then the result is not valid.
bool run_winograd(const ConvJob<float>& job, const ConvKernel<float>& kernel);

// The same for the gradient of the weight; grad_dst has touching channels.
bool winograd_grad_weight_fits(const Conv2dParams& params);
bool winograd_grad_weight(const Conv2dParams& params, ImageView<const float> src,
                          ImageView<const float> grad_dst, float* grad_weight);

const WinogradKernel& winograd_kernel(Isa isa);

// Products of channels and outputs from which the 16 planes of weights, or of their gradient, exceed the
// cache of a core.
constexpr int64_t kWinogradShared = 256 * 256;
constexpr int64_t kWinogradTiles = 96;  // fewer do not pay for transforming the weights

// The 2x2 tiles of the results of all images, counted row by row.
struct WinogradGrid {
  int64_t images, out_h, out_w;
  int64_t tile_rows, tile_cols;

  WinogradGrid(int64_t count, int64_t h, int64_t w)
      : images(count), out_h(h), out_w(w), tile_rows((h + 1) / 2), tile_cols((w + 1) / 2) {}
  int64_t tiles() const { return images * tile_rows * tile_cols; }
  // Whether there are enough tiles, and those that reach over the border leave enough of the gain.
  bool pays() const { return tiles() >= kWinogradTiles && 9 * out_h * out_w >= 24 * tile_rows * tile_cols; }

  // Calls f(image, row, column, tiles from `first` on before this one, tiles) for the parts of rows that
  // [first, first + count) consists of; row and column are those of the first result.
  template <class F>
  void for_each_row(int64_t first, int64_t count, F&& f) const {
    for (int64_t done = 0; done < count;) {
      const int64_t row = (first + done) / tile_cols, col = (first + done) % tile_cols;
      const int64_t part = tile_cols - col < count - done ? tile_cols - col : count - done;
      f(row / tile_rows, row % tile_rows * 2, col * 2, done, part);
      done += part;
    }
  }
};

// Distance of tiles in a plane and of planes, in numbers: odd counts of cache lines, so that neither falls
// into few sets of the cache.
inline int64_t winograd_pitch(int64_t channels) { return ((channels + 15) / 16 | 1) * 16; }
inline int64_t winograd_plane(int64_t tiles, int64_t pitch) {
  return tiles * pitch + (tiles % 2 == 0 ? 16 : 0);
}

// The source rows of a row of tiles whose pieces start at (row, col); rows outside the image become null.
inline WinogradTiles winograd_tiles(const ImageView<const float>& src, int64_t h, int64_t w, int64_t channels,
                                    int64_t image, int64_t row, int64_t col, int64_t tiles) {
  WinogradTiles x{{}, col, w, src.col, channels, tiles, nullptr, 0, 0};
  for (int64_t i = 0; i < 4; ++i)
    x.rows[i] = row + i < 0 || row + i >= h ? nullptr : src.data + image * src.image + (row + i) * src.row;
  return x;
}

}  // namespace rushlight::kernels

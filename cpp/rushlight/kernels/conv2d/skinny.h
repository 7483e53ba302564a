// Few output pixels (small maps at batch 1): the time goes into streaming the weights, so they are used where
// they lie, as the matrix (out_channels, in_channels * taps), and the few pixels are gathered to match.
#pragma once

#include "rushlight/kernels/conv2d/conv2d.h"
#include "rushlight/kernels/conv2d/live_taps.h"

namespace rushlight::kernels {

// Pixels up to which the functions below beat the register tiles and those of AMX, both of which must turn
// the weights around first.
constexpr int64_t kSkinnyForward = 64, kSkinnyGradSrc = 128, kSkinnyGradWeight = 256;
constexpr int64_t kSkinnyKept = 39;  // forward where tiles find their weights turned around already

inline bool skinny(const Conv2dParams& p, int64_t most_pixels) {
  return p.groups == 1 && p.images * p.out_h() * p.out_w() <= most_pixels;
}
// Forward and the source's gradient multiply with all taps, the tiles with those that meet the source only.
inline bool skinny_with_taps(const Conv2dParams& p, int64_t most_pixels) {
  return skinny(p, most_pixels * live_rows(p).count * live_cols(p).count / p.taps());
}

template <class T>
void skinny_forward(const Conv2dParams& params, ImageView<const T> src, const T* weight,
                    const ConvEpilogue<T>& epilogue, T* dst);
template <class T>
void skinny_grad_src(const Conv2dParams& params, ImageView<const T> grad_dst, const T* weight, T* grad_src);
template <class T>
void skinny_grad_weight(const Conv2dParams& params, ImageView<const T> src, ImageView<const T> grad_dst,
                        T* grad_weight);

// The weight gradient as factors (gemm/outer_sum.h): left (pixels, out_channels), right (pixels, in_channels
// * taps).
void skinny_factors(const Conv2dParams& params, ImageView<const float> src, ImageView<const float> grad_dst,
                    float* left, float* right);

}  // namespace rushlight::kernels

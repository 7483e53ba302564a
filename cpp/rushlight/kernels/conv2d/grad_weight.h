// The weight gradient on AMX tiles.
#pragma once

#include <cstdint>

#include "rushlight/kernels/conv2d/conv2d.h"

namespace rushlight::kernels {

// Whether tiles beat FMA: what they read must be packed first, which so many products per packed number must
// pay back, each from so many pixels.
bool split_grad_weight_fits(const Conv2dParams& params, int64_t least_pixels, int64_t least_reuse);

// Returns false if the result holds infinities or NaN: from operands that are such, or too large to be split,
// they differ from float32's.
template <class T, class W>
bool split_grad_weight(const Conv2dParams& params, ImageView<const T> src, ImageView<const T> grad_dst,
                       W* grad_weight);

}  // namespace rushlight::kernels

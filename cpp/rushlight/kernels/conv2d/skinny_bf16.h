// Few output pixels of bfloat16 images on AMX tiles: as in skinny.h the weights are used where they lie, read
// once, from end to end, and rounded on the way if they are float32.
#pragma once

#include <algorithm>

#include "rushlight/kernels/conv2d/conv2d.h"

namespace rushlight::kernels {

// Whether this beats turning the weights around, in each direction.
bool skinny_bf16_forward_fits(const Conv2dParams& params);
bool skinny_bf16_grad_src_fits(const Conv2dParams& params);
bool skinny_bf16_grad_weight_fits(const Conv2dParams& params);

// W: float or uint16_t. They return false if they met infinities or NaN among the pixels; then the result is
// not valid.
template <class W>
bool skinny_bf16_forward(const Conv2dParams& params, ImageView<const uint16_t> src, const W* weight,
                         const ConvEpilogue<uint16_t>& epilogue, uint16_t* dst);
template <class W>
bool skinny_bf16_grad_src(const Conv2dParams& params, ImageView<const uint16_t> grad_dst, const W* weight,
                          uint16_t* grad_src);
template <class W>
bool skinny_bf16_grad_weight(const Conv2dParams& params, ImageView<const uint16_t> src,
                             ImageView<const uint16_t> grad_dst, W* grad_weight);

}  // namespace rushlight::kernels

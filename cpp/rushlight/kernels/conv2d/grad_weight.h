// What the ways to the weight gradient share.
#pragma once

#include <cstdint>

#include "rushlight/kernels/conv2d/conv2d.h"

namespace rushlight::kernels {

// Sums of one block of `width` outputs, as [tap][channel][output]; `pieces` of them, `piece` apart, add up.
template <class T>
struct OutputSums {
  const T* sums;
  int64_t width, pieces, piece;
};

// Adds the pieces in their order and turns them into OIHW, for the outputs of a block of a group.
template <class T>
void finish_outputs(const Conv2dParams& params, const OutputSums<T>& block, int64_t group,
                    int64_t first_output, T* grad_weight);

// Whether tiles beat FMA: what they read must be turned around first, which enough products must pay back.
bool split_grad_weight_fits(const Conv2dParams& params);

// The weight gradient on AMX tiles. Returns false if the operands hold values that cannot be split; then the
// result is not valid.
template <class T>
bool split_grad_weight(const Conv2dParams& params, ImageView<const T> src, ImageView<const T> grad_dst,
                       float* grad_weight);

}  // namespace rushlight::kernels

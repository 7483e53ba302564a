// The last step of a weight gradient on FMA: sums as register tiles leave them, turned into weights.
#pragma once

#include <algorithm>
#include <cstdint>

#include "rushlight/base/scratch.h"
#include "rushlight/kernels/conv2d/conv2d.h"

namespace rushlight::kernels {

constexpr int64_t kFinishRows = 64;  // rows of sums turned around together

// Sums of one block of `width` outputs, as [tap][channel][output]; `pieces` of them, `piece` apart, add up.
template <class T>
struct OutputSums {
  const T* sums;
  int64_t width, pieces, piece;
};

// Adds the pieces in their order and turns them into OIHW, for the outputs of a block of a group.
// A few channels at a time: their sums stay in the L1 cache while they are read across.
template <class T>
void finish_outputs(const Conv2dParams& p, const OutputSums<T>& block, int64_t group, int64_t first_output,
                    T* grad_weight) {
  const int64_t taps = p.taps(), depth = p.group_in() * taps, width = block.width;
  const int64_t columns = std::min(width, p.group_out() - first_output);
  const int64_t step = std::max<int64_t>(1, kFinishRows / taps);
  T* out = grad_weight + (group * p.group_out() + first_output) * depth;
  Scratch<T> sums(step * taps * width);
  for (int64_t first = 0; first < p.group_in(); first += step) {
    const int64_t channels = std::min(step, p.group_in() - first);
    for (int64_t i = 0; i < channels * taps; ++i) {
      const T* from = block.sums + (i % taps * p.group_in() + first + i / taps) * width;
      T* sum = &sums[i * width];
      std::copy(from, from + width, sum);
      for (int64_t other = 1; other < block.pieces; ++other)
        for (int64_t o = 0; o < width; ++o) sum[o] += from[other * block.piece + o];
    }
    for (int64_t o = 0; o < columns; ++o)
      for (int64_t i = 0; i < channels * taps; ++i) out[o * depth + first * taps + i] = sums[i * width + o];
  }
}

}  // namespace rushlight::kernels

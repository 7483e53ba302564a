// Convolutions on AMX tiles: see Note [Split products] in gemm/split.h.
#pragma once

#include <vector>

#include "rushlight/kernels/conv2d/job.h"
#include "rushlight/kernels/gemm/split.h"

namespace rushlight::kernels {

// Whether tiles beat FMA for a job: splitting and gathering the source must be paid back by enough products.
template <class T>
bool split_conv_fits(const ConvJob<T>& job);

// Runs it. Returns false if source or weights hold values that cannot be split; then the result is not valid.
template <class T>
bool run_split_conv(const ConvJob<T>& job);

// The same for jobs that share source, groups, channels, outputs and steps, where the images come in
// sixteens.
template <class T>
bool split_batch_fits(const std::vector<ConvJob<T>>& jobs);
template <class T>
bool run_split_batch(const std::vector<ConvJob<T>>& jobs);

// What packs the weights for a kernel.
inline const SplitKernel<float>& weights_kernel(const SplitKernel<float>& split) { return split; }
inline const SplitKernel<float>& weights_kernel(const SplitKernel<uint16_t>&) { return rounding_kernel(); }

}  // namespace rushlight::kernels

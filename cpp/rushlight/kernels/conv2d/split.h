// Convolutions on AMX tiles: see Note [Split products] in gemm/split.h.
#pragma once

#include <vector>

#include "rushlight/kernels/conv2d/job.h"

namespace rushlight::kernels {

// Whether tiles beat FMA for a job: splitting and gathering the source must be paid back by enough products.
bool split_conv_fits(const ConvJob<float>& job);

// Runs it. Returns false if source or weights hold values that cannot be split; then the result is not valid.
bool run_split_conv(const ConvJob<float>& job);

// The same for jobs that share source, groups, channels, outputs and steps, where the images come in
// sixteens.
bool split_batch_fits(const std::vector<ConvJob<float>>& jobs);
bool run_split_batch(const std::vector<ConvJob<float>>& jobs);

}  // namespace rushlight::kernels

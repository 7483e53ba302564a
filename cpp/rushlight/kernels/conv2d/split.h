// Convolutions on AMX tiles: see Note [Split products] in gemm/split.h.
#pragma once

#include "rushlight/kernels/conv2d/job.h"

namespace rushlight::kernels {

// Whether tiles beat FMA for a job: splitting and gathering the source must be paid back by enough products.
bool split_conv_fits(const ConvJob<float>& job);

// Runs it; `weights` is [group][block of kSplitLanes outputs][tap][channel][output]. Returns false if source
// or weights hold values that cannot be split; then the result is not valid.
bool run_split_conv(const ConvJob<float>& job, const float* weights);

}  // namespace rushlight::kernels

// Copies that reorder or repeat elements: flip, roll, repeat, pad. All are differentiable.
#pragma once

#include <optional>
#include <string>

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

Tensor flip(const Tensor& input, const Dims& dims);
// Without dims, rolls the flattened tensor.
Tensor roll(const Tensor& input, const Dims& shifts, const Dims& dims);
Tensor repeat(const Tensor& input, const Dims& repeats);
Tensor tile(const Tensor& input, const Dims& repeats);
// (left, right) pairs from the last dimension on; negative ones crop.
Tensor constant_pad_nd(const Tensor& input, const Dims& padding, double value);
// mode: constant, reflect, replicate or circular.
Tensor pad(const Tensor& input, const Dims& padding, const std::string& mode, double value);
// Every element `repeats` times in a row; without dim the tensor is flattened first.
Tensor repeat_interleave(const Tensor& input, int64_t repeats, std::optional<int64_t> dim);
// Element i repeats[i] times.
Tensor repeat_interleave(const Tensor& input, const Tensor& repeats, std::optional<int64_t> dim);

}  // namespace rushlight::ops

// Ops of three operands: selection, bounds, fused multiply-adds.
#pragma once

#include "rushlight/ops/scalar.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// condition ? input : other, broadcast; condition must be bool.
Tensor where(const Tensor& condition, const Tensor& input, const Tensor& other);
// value (0-d or a number) where mask is true, input elsewhere; keeps input's type.
Tensor masked_fill(const Tensor& input, const Tensor& mask, const Tensor& value, bool in_place = false);

// min(max(input, min), max); either bound may be undefined, not both. Bounds are numbers or tensors.
Tensor clamp(const Tensor& input, const Tensor& min, const Tensor& max, bool in_place = false);
Tensor clamp_min(const Tensor& input, const Tensor& min, bool in_place = false);
Tensor clamp_max(const Tensor& input, const Tensor& max, bool in_place = false);

// input + value * tensor1 * tensor2
Tensor addcmul(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, const Number& value,
               bool in_place = false);
// input + value * tensor1 / tensor2; not for integers
Tensor addcdiv(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, const Number& value,
               bool in_place = false);
// input + weight * (end - input); one floating type for all
Tensor lerp(const Tensor& input, const Tensor& end, const Tensor& weight, bool in_place = false);

}  // namespace rushlight::ops

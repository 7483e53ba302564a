// Arithmetic on tensors: broadcasts, promotes types, differentiable.
#pragma once

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

Tensor add(const Tensor& input, const Tensor& other);
Tensor mul(const Tensor& input, const Tensor& other);
// self += other without graph or version bump: gradients being accumulated.
void add_raw(const Tensor& self, const Tensor& other);

}  // namespace rushlight::ops

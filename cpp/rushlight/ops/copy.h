// Copies: clone, contiguous, conversion between element types, copy_.
#pragma once

#include "rushlight/ops/scalar.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// Raw: writes `src`, broadcast and converted, into `dst`. No graph, no version bump, no checks but shape.
void copy_into(const Tensor& dst, const Tensor& src);

// Uninitialised memory of input's shape in the order of input's memory (PyTorch's preserve_format).
Tensor empty_like_layout(const Tensor& input, DType dtype);
// A fresh tensor with the same values; keeps the order of memory where it is dense.
Tensor clone(const Tensor& input);
// `input` itself if already contiguous, else a contiguous copy.
Tensor contiguous(const Tensor& input);
// `input` itself if it has that type and `copy` is false.
Tensor to(const Tensor& input, DType dtype, bool copy = false);
// Tensor.copy_: broadcasts and converts src. Differentiable in src.
Tensor copy_(const Tensor& self, const Tensor& src);

// See creation.h for the other tensors made from numbers.
Tensor zeros(const Dims& sizes, DType dtype);
Tensor full(const Dims& sizes, const Number& value, DType dtype);

}  // namespace rushlight::ops

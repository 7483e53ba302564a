// Joining and splitting along a dimension. All are differentiable.
#pragma once

#include <vector>

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// Types are promoted; 1-d tensors of no elements are skipped, as in PyTorch.
Tensor cat(const std::vector<Tensor>& tensors, int64_t dim);
Tensor stack(const std::vector<Tensor>& tensors, int64_t dim);
// Views of given lengths (split), of `length` each (the last may be shorter), or at most `chunks` of them.
std::vector<Tensor> split(const Tensor& input, const std::vector<int64_t>& lengths, int64_t dim);
std::vector<Tensor> split(const Tensor& input, int64_t length, int64_t dim);
std::vector<Tensor> chunk(const Tensor& input, int64_t chunks, int64_t dim);
// Exactly `sections` views, the first ones longer by one; or views between the given positions.
std::vector<Tensor> tensor_split(const Tensor& input, int64_t sections, int64_t dim);
std::vector<Tensor> tensor_split(const Tensor& input, const Dims& positions, int64_t dim);
std::vector<Tensor> unbind(const Tensor& input, int64_t dim);

}  // namespace rushlight::ops

// Picking and placing elements along a dimension by int64 (or int32) index tensors.
#pragma once

#include <optional>

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// out[i][j] = input[index[i][j]][j] for dim 0, and so on. index no larger than input except along dim.
Tensor gather(const Tensor& input, int64_t dim, const Tensor& index);
// gather with broadcasting; without dim over flattened tensors.
Tensor take_along_dim(const Tensor& input, const Tensor& indices, std::optional<int64_t> dim);

// input[index[i][j]][j] = src[i][j]; with duplicates the last wins. src may be larger than index, or 0-d.
Tensor scatter(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src);
Tensor scatter_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src);
// The same with +=.
Tensor scatter_add(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src);
Tensor scatter_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src);

// Rows of input along dim; index is 1-d or 0-d.
Tensor index_select(const Tensor& input, int64_t dim, const Tensor& index);
// input with source's slices, times alpha, added at index.
Tensor index_add(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source, double alpha);
Tensor index_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, double alpha);

// Rows of `weight`; rows equal to padding_idx get no gradient.
Tensor embedding(const Tensor& indices, const Tensor& weight, std::optional<int64_t> padding_idx);
// int64 zeros with a one at the class; num_classes -1: the largest class + 1.
Tensor one_hot(const Tensor& classes, int64_t num_classes);

Tensor masked_select(const Tensor& input, const Tensor& mask);

// Gradient of an op that picked `indices` along dim: zeros of `sizes` with grad scattered to them.
Tensor selected_backward(const Tensor& grad, const Dims& sizes, int64_t dim, const Tensor& indices,
                         bool keepdim);

}  // namespace rushlight::ops

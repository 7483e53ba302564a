// Sorting along a dimension. NaN counts as the largest value.
#pragma once

#include "rushlight/ops/reduce.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// Equal elements keep their order (PyTorch promises it with stable=True only).
ValuesIndices sort(const Tensor& input, int64_t dim, bool descending);
Tensor argsort(const Tensor& input, int64_t dim, bool descending);
// The k largest or smallest, in order.
ValuesIndices topk(const Tensor& input, int64_t k, int64_t dim, bool largest);
// The k-th smallest, k from 1.
ValuesIndices kthvalue(const Tensor& input, int64_t k, int64_t dim, bool keepdim);

}  // namespace rushlight::ops

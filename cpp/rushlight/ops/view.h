// Views: new geometry on the same storage. All are differentiable and share memory with their input.
#pragma once

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

Tensor view(const Tensor& input, const Dims& sizes);     // one -1 allowed; RuntimeError if a copy is needed
Tensor reshape(const Tensor& input, const Dims& sizes);  // copies only if it must
// Another shape of a contiguous tensor that only the caller holds: for autograd no view, so that in-place
// ops on the result need no CopySlices.
Tensor unsafe_view(const Tensor& fresh, const Dims& sizes);
Tensor flatten(const Tensor& input, int64_t start_dim, int64_t end_dim);
Tensor unflatten(const Tensor& input, int64_t dim, const Dims& sizes);
Tensor permute(const Tensor& input, const Dims& dims);
Tensor transpose(const Tensor& input, int64_t dim0, int64_t dim1);
Tensor t(const Tensor& input);
Tensor movedim(const Tensor& input, const Dims& source, const Dims& destination);
Tensor squeeze(const Tensor& input);
Tensor squeeze(const Tensor& input, const Dims& dims);
Tensor unsqueeze(const Tensor& input, int64_t dim);
Tensor expand(const Tensor& input, const Dims& sizes);  // -1 keeps a size
Tensor broadcast_to(const Tensor& input, const Dims& sizes);
Tensor select(const Tensor& input, int64_t dim, int64_t index);
Tensor slice(const Tensor& input, int64_t dim, int64_t start, int64_t end, int64_t step);
Tensor narrow(const Tensor& input, int64_t dim, int64_t start, int64_t length);
Tensor diagonal(const Tensor& input, int64_t offset, int64_t dim1, int64_t dim2);
Tensor as_strided(const Tensor& input, const Dims& sizes, const Dims& strides, int64_t offset);
// Windows of `size` elements along dim, `step` apart, as a new last dimension (Tensor.unfold).
Tensor unfold(const Tensor& input, int64_t dim, int64_t size, int64_t step);
// Sums broadcast dimensions away: the adjoint of expand.
Tensor sum_to_size(const Tensor& input, const Dims& sizes);

}  // namespace rushlight::ops

// Reductions. `dims` empty: all dimensions. Without keepdim the reduced dimensions go, with it they stay
// as 1.
#pragma once

#include <optional>

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

using OptionalDType = std::optional<DType>;
using OptionalDim = std::optional<int64_t>;

// Integers and bool sum to int64; `dtype` is the type to sum in and to return.
Tensor sum(const Tensor& input, const Dims& dims, bool keepdim, OptionalDType dtype = std::nullopt);
Tensor mean(const Tensor& input, const Dims& dims, bool keepdim, OptionalDType dtype = std::nullopt);
Tensor prod(const Tensor& input, OptionalDim dim, bool keepdim, OptionalDType dtype = std::nullopt);
Tensor any(const Tensor& input, const Dims& dims, bool keepdim);
Tensor all(const Tensor& input, const Dims& dims, bool keepdim);
// Equal extremes share the gradient.
Tensor amax(const Tensor& input, const Dims& dims, bool keepdim);
Tensor amin(const Tensor& input, const Dims& dims, bool keepdim);
Tensor logsumexp(const Tensor& input, const Dims& dims, bool keepdim);

// max() and min() of everything; equal extremes share the gradient.
Tensor max(const Tensor& input);
Tensor min(const Tensor& input);

struct ValuesIndices {
  Tensor values;
  Tensor indices;  // int64
};
// Along one dimension: the first of equal extremes, which alone gets the gradient.
ValuesIndices max(const Tensor& input, int64_t dim, bool keepdim);
ValuesIndices min(const Tensor& input, int64_t dim, bool keepdim);
// Without a dimension: the position in the flattened tensor.
Tensor argmax(const Tensor& input, OptionalDim dim, bool keepdim);
Tensor argmin(const Tensor& input, OptionalDim dim, bool keepdim);

// Squared deviations divided by max(0, count - correction).
Tensor var(const Tensor& input, const Dims& dims, double correction, bool keepdim);
Tensor std(const Tensor& input, const Dims& dims, double correction, bool keepdim);
// The p-norm of all the numbers in `dims`.
Tensor vector_norm(const Tensor& input, double p, const Dims& dims, bool keepdim);

// Running sums and products.
Tensor cumsum(const Tensor& input, int64_t dim, OptionalDType dtype = std::nullopt);
Tensor cumprod(const Tensor& input, int64_t dim, OptionalDType dtype = std::nullopt);

}  // namespace rushlight::ops

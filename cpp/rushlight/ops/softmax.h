// softmax and log_softmax.
#pragma once

#include "rushlight/ops/reduce.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// exp(x) / sum(exp(x)) along dim; `dtype` is the type to convert to first.
Tensor softmax(const Tensor& input, int64_t dim, OptionalDType dtype = std::nullopt);
// Its logarithm, without the loss of accuracy of log(softmax(x)).
Tensor log_softmax(const Tensor& input, int64_t dim, OptionalDType dtype = std::nullopt);

}  // namespace rushlight::ops

// Random tensors. Values depend on the generator's seed and on what was drawn before, not on threads.
#pragma once

#include "rushlight/ops/generator.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// ---- in place; RuntimeError for types or parameters that PyTorch refuses

Tensor uniform_(const Tensor& self, double from, double to, Generator& generator);
Tensor normal_(const Tensor& self, double mean, double std, Generator& generator);
Tensor exponential_(const Tensor& self, double lambd, Generator& generator);
// Integers from .. to - 1
Tensor random_(const Tensor& self, int64_t from, int64_t to, Generator& generator);
// 0 .. the largest integer the type holds exactly
Tensor random_(const Tensor& self, Generator& generator);
Tensor bernoulli_(const Tensor& self, double p, Generator& generator);
Tensor bernoulli_(const Tensor& self, const Tensor& p, Generator& generator);

// ---- fresh

Tensor rand(const Dims& sizes, DType dtype, Generator& generator);
Tensor randn(const Dims& sizes, DType dtype, Generator& generator);
Tensor randint(int64_t low, int64_t high, const Dims& sizes, DType dtype, Generator& generator);
Tensor randperm(int64_t n, DType dtype, Generator& generator);
Tensor normal(const Tensor& mean, const Tensor& std, Generator& generator);
// 1 with the probability that input says
Tensor bernoulli(const Tensor& input, Generator& generator);
// Indices drawn with the weights in each row of input (1-d or 2-d)
Tensor multinomial(const Tensor& input, int64_t num_samples, bool replacement, Generator& generator);

// Zeroes elements with probability p and scales the others by 1 / (1 - p); the identity unless `train`.
Tensor dropout(const Tensor& input, double p, bool train, bool in_place);

}  // namespace rushlight::ops

// Losses. "mean", "sum" and "none" over the elements, as in PyTorch.
#pragma once

#include <string>

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

enum class Reduction { None, Mean, Sum };
// Throws ValueError for another word.
Reduction reduction_from(const std::string& name);

struct ClassLossOptions {
  int64_t ignore_index = -100;
  Reduction reduction = Reduction::Mean;
  double label_smoothing = 0.0;  // cross_entropy only
};

// Input (C), (N, C) or (N, C, d1, ...) of log-probabilities, target of class indices without C (int64 or
// uint8), weight (C) or undefined. The mean divides by the sum of the targets' weights.
Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight,
                const ClassLossOptions& options);
// The same on scores, through log_softmax. A floating target of input's shape holds class probabilities.
Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                     const ClassLossOptions& options);

// Elementwise losses; input and target broadcast.
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction);
Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction);
// 0.5 d^2 / beta where |d| < beta, else |d| - 0.5 beta
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, Reduction reduction, double beta);
// 0.5 d^2 where |d| < delta, else delta (|d| - 0.5 delta)
Tensor huber_loss(const Tensor& input, const Tensor& target, Reduction reduction, double delta);
// -(y log p + (1 - y) log(1 - p)) * weight, logarithms not below -100. weight may be undefined.
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                            Reduction reduction);
// The same of p = sigmoid(input), in a form that cannot overflow; pos_weight multiplies the term of y.
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight,
                                        const Tensor& pos_weight, Reduction reduction);

}  // namespace rushlight::ops

// Activations with one fused pass forward and one backward; `in_place` writes to the input and returns it.
#pragma once

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

Tensor leaky_relu(const Tensor& input, double negative_slope, bool in_place = false);
// scale * (x > 0 ? x : alpha * (exp(input_scale * x) - 1))
Tensor elu(const Tensor& input, double alpha, double scale, double input_scale, bool in_place = false);
Tensor hardtanh(const Tensor& input, double min_val, double max_val, bool in_place = false);
Tensor hardswish(const Tensor& input, bool in_place = false);    // x * min(max(x + 3, 0), 6) / 6
Tensor hardsigmoid(const Tensor& input, bool in_place = false);  // min(max(x + 3, 0), 6) / 6
Tensor silu(const Tensor& input, bool in_place = false);         // x * sigmoid(x)
Tensor mish(const Tensor& input, bool in_place = false);         // x * tanh(softplus(x))
Tensor gelu(const Tensor& input, bool tanh_approximation);       // x * P(X <= x), X standard normal
// log(1 + exp(beta x)) / beta, the identity where beta x > threshold
Tensor softplus(const Tensor& input, double beta, double threshold);
Tensor logsigmoid(const Tensor& input);  // log(sigmoid(x))

// grad where input > threshold, else 0; differentiable in grad.
// `grad` where the ReLU's result `y` is above 0. Outside the graph a gradient that nothing else holds is
// overwritten.
Tensor relu_backward(const Tensor& grad, const Tensor& y);
Tensor threshold_backward(const Tensor& grad, const Tensor& input, double threshold);

}  // namespace rushlight::ops

#include "rushlight/ops/layer_norm.h"

#include <string>
#include <vector>

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/layer_norm/layer_norm.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/unary.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

// "2, 3": for messages worded as PyTorch's.
std::string joined(const Dims& sizes) {
  std::string text;
  for (const int64_t size : sizes) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return text;
}

void check(const Tensor& input, const Dims& shape, const Tensor& weight, const Tensor& bias) {
  RUSHLIGHT_CHECK(!shape.empty(), "layer_norm: expected normalized_shape of at least 1 dimension, got ()");
  const int64_t first = input.dim() - static_cast<int64_t>(shape.size());
  bool ends = first >= 0;
  for (size_t d = 0; ends && d < shape.size(); ++d)
    ends = shape[d] == input.sizes()[static_cast<size_t>(first) + d];
  RUSHLIGHT_CHECK(ends, "Given normalized_shape=[", joined(shape), "], expected input with shape [*, ",
                  joined(shape), "], but got input of size[", joined(input.sizes()), "]");
  RUSHLIGHT_CHECK_AS(NotImplementedError, is_floating(input.dtype()), "layer_norm: not implemented for ",
                     dtype_name(input.dtype()));
  const std::pair<const char*, const Tensor&> affine[] = {{"weight", weight}, {"bias", bias}};
  for (const auto& [name, tensor] : affine)
    RUSHLIGHT_CHECK(!tensor.defined() || tensor.sizes() == shape, "layer_norm: expected ", name, " of shape ",
                    to_string(shape), ", got ", tensor.defined() ? to_string(tensor.sizes()) : "");
}

kernels::LayerNormShape rows_of(const Tensor& input, const Dims& shape) {
  const int64_t n = numel_of(shape);
  return {input.dtype(), n == 0 ? 0 : input.numel() / n, n};
}

Tensor detached(const Tensor& tensor) {
  return tensor.defined() ? contiguous(autograd::detach(tensor)) : tensor;
}

const void* data_of(const Tensor& tensor) { return tensor.defined() ? tensor.raw_data() : nullptr; }

Tensor rounded(const std::vector<double>& values, const Dims& shape, DType dtype) {
  const Tensor wide = Tensor::empty(shape, DType::Float64);
  std::copy(values.begin(), values.end(), wide.data<double>());
  return to(wide, dtype);
}

// Gradients of (input, weight, bias) by differentiable ops, for create_graph.
Grads differentiable_backward(Node& node, const Tensor& grad, const Tensor& x, const Tensor& weight,
                              const Dims& shape, double eps) {
  Dims inner, outer;
  const int64_t first = x.dim() - static_cast<int64_t>(shape.size());
  for (int64_t d = 0; d < x.dim(); ++d) (d < first ? outer : inner).push_back(d);
  const auto over_rows = [&](const Tensor& tensor) {
    return outer.empty() ? tensor : sum(tensor, outer, false);
  };
  const Tensor centered = sub(x, mean(x, inner, true));
  const Tensor inverse = rsqrt(add(mean(mul(centered, centered), inner, true), number_tensor(eps)));
  const Tensor normal = mul(centered, inverse);
  Tensor to_input;
  if (node.needs(0)) {
    const Tensor scaled = weight.defined() ? mul(grad, weight) : grad;
    to_input =
        sub(sub(scaled, mean(scaled, inner, true)), mul(normal, mean(mul(scaled, normal), inner, true)));
    to_input = mul(to_input, inverse);
  }
  return {to_input, node.needs(1) ? over_rows(mul(grad, normal)) : Tensor(),
          node.needs(2) ? over_rows(grad) : Tensor()};
}

// The same by kernels; `moments` are the means and the inverse deviations of the rows.
Grads fused_backward(Node& node, const Tensor& grad, const Tensor& x, const Tensor& weight,
                     const Tensor& moments, const Dims& shape) {
  const kernels::LayerNormShape rows = rows_of(x, shape);
  const Tensor plain = detached(x), g = detached(grad), factor = detached(weight);
  const Tensor to_input = node.needs(0) ? Tensor::empty(x.sizes(), x.dtype()) : Tensor();
  std::vector<double> to_weight(static_cast<size_t>(node.needs(1) ? rows.n : 0));
  std::vector<double> to_bias(static_cast<size_t>(node.needs(2) ? rows.n : 0));
  const double* const means = moments.data<double>();
  kernels::layer_norm_backward(rows, plain.raw_data(), g.raw_data(), data_of(factor), means,
                               means + rows.rows, to_input.defined() ? to_input.raw_data() : nullptr,
                               node.needs(1) ? to_weight.data() : nullptr,
                               node.needs(2) ? to_bias.data() : nullptr);
  return {to_input, node.needs(1) ? rounded(to_weight, shape, x.dtype()) : Tensor(),
          node.needs(2) ? rounded(to_bias, shape, x.dtype()) : Tensor()};
}

}  // namespace

Tensor layer_norm(const Tensor& input, const Dims& shape, const Tensor& weight, const Tensor& bias,
                  double eps) {
  check(input, shape, weight, bias);
  const DType dtype = input.dtype();
  const bool direct = dtype == DType::Float32 || dtype == DType::Float64;
  const auto fits = [&](const Tensor& tensor) { return !tensor.defined() || tensor.dtype() == dtype; };
  if (!direct || !fits(weight) || !fits(bias)) {  // in the wider of float32 and the input's type
    const DType wide = dtype == DType::Float64 ? dtype : DType::Float32;
    const auto widened = [&](const Tensor& tensor) { return tensor.defined() ? to(tensor, wide) : tensor; };
    return to(layer_norm(to(input, wide), shape, widened(weight), widened(bias), eps), dtype);
  }
  const kernels::LayerNormShape rows = rows_of(input, shape);
  const Tensor plain = detached(input), factor = detached(weight), offset = detached(bias);
  Tensor out = Tensor::empty(input.sizes(), dtype);
  const Tensor moments = Tensor::empty({2, rows.rows}, DType::Float64);
  double* const means = moments.data<double>();
  kernels::layer_norm(rows, plain.raw_data(), data_of(factor), data_of(offset), eps, out.raw_data(), means,
                      means + rows.rows);
  if (autograd::recording(input, weight, bias))
    autograd::record(out, "NativeLayerNormBackward0", {input, weight, bias}, {input, weight, moments},
                     [shape, eps](Node& node, const Tensor& grad) -> Grads {
                       const Tensor x = node.saved(0), weights = node.has_saved(1) ? node.saved(1) : Tensor();
                       if (autograd::grad_enabled())
                         return differentiable_backward(node, grad, x, weights, shape, eps);
                       return fused_backward(node, grad, x, weights, node.saved(2), shape);
                     });
  return out;
}

}  // namespace rushlight::ops

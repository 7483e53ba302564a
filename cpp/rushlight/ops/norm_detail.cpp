// Batch normalisation backwards.
#include "rushlight/ops/norm_detail.h"

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/ops/activation.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/physical.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/pool_detail.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/unary.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops::batch_norm_detail {
namespace {

using autograd::Grads;
using autograd::Node;

std::vector<double> values_of(DType dtype, const char* data, int64_t channels) {
  std::vector<double> values(static_cast<size_t>(channels));
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t c = 0; c < channels; ++c)
      values[static_cast<size_t>(c)] = kernels::convert_element<double>(reinterpret_cast<const T*>(data)[c]);
  });
  return values;
}

}  // namespace

Layout::Layout(const Tensor& input) {
  const bool rows = input.dim() == 2;  // (N, C): rows of channels
  tensor = in_layout(input, input.is_channels_last());
  const int64_t batch = input.size(0);
  const int64_t channels = input.size(1);
  const int64_t spatial = batch * channels == 0 ? 0 : input.numel() / batch / channels;
  shape = {input.dtype(), batch, channels, spatial, rows || tensor.is_channels_last()};
}
Tensor Layout::like(const Tensor& other) const { return in_layout(other, tensor.is_channels_last()); }
Tensor Layout::empty() const {
  return tensor.is_channels_last() ? Tensor::empty_channels_last(tensor.sizes(), tensor.dtype())
                                   : Tensor::empty(tensor.sizes(), tensor.dtype());
}

DType computation_type(DType dtype) { return dtype == DType::Float64 ? dtype : DType::Float32; }

Tensor channel_rows(std::initializer_list<const std::vector<double>*> rows, DType dtype) {
  const size_t channels = (*rows.begin())->size();
  Tensor out = Tensor::empty({static_cast<int64_t>(rows.size()), static_cast<int64_t>(channels)}, dtype);
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = out.data<T>();
    for (const std::vector<double>* row : rows)
      for (const double value : *row) *to++ = kernels::convert_element<T>(value);
  });
  return out;
}
const char* row_of(const Tensor& rows, int64_t i) {
  return rows.raw_data() + static_cast<size_t>(i * rows.size(1)) * dtype_size(rows.dtype());
}
Tensor channel_tensor(const std::vector<double>& values, DType dtype) {
  const Tensor rows = channel_rows({&values}, dtype);
  return rows.alias({rows.size(1)}, {1}, 0);
}

std::vector<double> channel_values(const Tensor& tensor, int64_t channels, double missing) {
  if (!tensor.defined()) return std::vector<double>(static_cast<size_t>(channels), missing);
  const autograd::GradModeGuard no_grad(false);
  const Tensor plain = contiguous(tensor);
  return values_of(plain.dtype(), plain.raw_data(), channels);
}

Tensor normalised(const Layout& layout, const Tensor& rows, const Tensor& residual, bool relu) {
  Tensor out = layout.empty();
  const Tensor added = residual.defined() ? layout.like(residual) : residual;
  const Access from = layout.tensor.access();
  const Access plus = residual.defined() ? added.access() : Access{};
  kernels::batch_norm_apply(layout.shape, from.data, row_of(rows, kCenter), row_of(rows, kScale),
                            row_of(rows, kShift), plus.data, relu, out.access().data);
  return out;
}

namespace {

Dims over_channels(int64_t dims, int64_t channels) {
  Dims sizes(static_cast<size_t>(dims), 1);
  sizes[1] = channels;
  return sizes;
}

// Gradients of (input, weight, bias) by differentiable ops, for create_graph. `mean` and `var` depend on the
// input in training and are constants otherwise.
Grads differentiable_backward(Node& node, const Tensor& arrived, const Tensor& input, const Tensor& weight,
                              const Tensor& running_mean, const Tensor& running_var, bool training,
                              double eps) {
  const DType dtype = computation_type(input.dtype());
  const Tensor grad = to(arrived, dtype), x = to(input, dtype);
  const Dims channel = over_channels(x.dim(), x.size(1));
  Dims dims{0};
  for (int64_t d = 2; d < x.dim(); ++d) dims.push_back(d);
  const Tensor mu = training ? mean(x, dims, true) : reshape(to(running_mean, x.dtype()), channel);
  const Tensor centered = sub(x, mu);
  const Tensor variance =
      training ? mean(mul(centered, centered), dims, true) : reshape(to(running_var, x.dtype()), channel);
  const Tensor inverse = rsqrt(add(variance, number_tensor(eps)));
  const Tensor normal = mul(centered, inverse);
  Tensor to_input;
  if (node.needs(0)) {
    const Tensor scaled = weight.defined() ? mul(grad, reshape(weight, channel)) : grad;
    to_input = scaled;
    if (training)
      to_input =
          sub(sub(scaled, mean(scaled, dims, true)), mul(normal, mean(mul(scaled, normal), dims, true)));
    to_input = mul(to_input, inverse);
  }
  return {to_input, node.needs(1) ? sum(mul(grad, normal), dims, false) : Tensor(),
          node.needs(2) ? sum(grad, dims, false) : Tensor()};
}

// What came between a batch norm and the gradient that arrived.
struct Behind {
  bool relu = false;    // a ReLU of the batch norm's result
  Tensor relu_result;   // defined: a ReLU of that result plus something
  bool shares = false;  // what passed that ReLU is somebody else's gradient as well ...
  Tensor passed;        // ... and is left here
  // A max pooling of the first ReLU's result: which elements it chose, and what the batch norm had read
  // there.
  const kernels::Pool2dParams* pool = nullptr;  // null: none
  Tensor chosen, picked;
};

// The same by kernels, from the coefficients of the forward pass. A gradient nobody else sees is overwritten
// by the input's.
Grads fused_backward(Node& node, Tensor grad, const Tensor& x, const Tensor& weight, const Tensor& rows,
                     bool training, Behind& behind) {
  const Layout layout(x);
  const int64_t channels = layout.shape.channels;
  const DType dtype = computation_type(x.dtype());
  const kernels::BatchNormGate gate{behind.relu ? row_of(rows, kScale) : nullptr, row_of(rows, kShift)};
  const char* const center = row_of(rows, kCenter);
  std::vector<double> sums(static_cast<size_t>(channels)), products(static_cast<size_t>(channels));
  const bool pooled = behind.pool != nullptr, sole = grad.is_sole_owner();
  Tensor g = pooled ? in_layout(grad, true) : layout.like(grad);
  bool reuse = !pooled && (sole || g.impl() != grad.impl());
  grad = Tensor();
  const Access in = layout.tensor.access();
  const Access arrived = g.access();
  const Tensor result = behind.relu_result.defined() ? layout.like(behind.relu_result) : Tensor();
  if (result.defined()) {
    const Tensor passed = reuse ? g : layout.empty();
    kernels::batch_norm_sums(layout.shape, in.data, arrived.data, center, gate,
                             {result.access().data, passed.access().data}, sums.data(), products.data());
    g = passed;
    reuse = !behind.shares;
    if (behind.shares) behind.passed = g;
  } else if (pooled) {
    const kernels::Pool2dParams& pool = *behind.pool;
    kernels::BatchNormShape shape = layout.shape;
    shape.spatial = pool.h.outputs() * pool.w.outputs();
    kernels::batch_norm_sums(shape, behind.picked.access().data, arrived.data, center, gate, {}, sums.data(),
                             products.data());
  } else if (training || node.needs(1) || node.needs(2)) {
    kernels::batch_norm_sums(layout.shape, in.data, arrived.data, center, gate, {}, sums.data(),
                             products.data());
  }
  const Access gradient = g.access();
  const std::vector<double> invstd = values_of(dtype, row_of(rows, kInverse), channels);
  Tensor to_input;
  if (node.needs(0)) {
    std::vector<double> grad_scale = channel_values(weight, channels, 1.0);
    std::vector<double> src_scale(sums.size(), 0.0), shift(sums.size(), 0.0);
    const auto count = static_cast<double>(layout.count());
    for (size_t c = 0; c < sums.size(); ++c) grad_scale[c] *= invstd[c];
    const Tensor k = channel_rows({&grad_scale}, dtype);
    // The shift cancels the mean of what the kernel multiplies, hence by the rounded factor: a rest would be
    // the same for all of a channel, and add up in the sums of the layers before.
    const std::vector<double> rounded = values_of(dtype, k.raw_data(), channels);
    for (size_t c = 0; training && c < sums.size(); ++c) {
      src_scale[c] = -grad_scale[c] * invstd[c] * invstd[c] * products[c] / count;
      shift[c] = -rounded[c] * sums[c] / count;
    }
    to_input = reuse ? g : layout.empty();
    const Tensor others = channel_rows({&src_scale, &shift}, dtype);
    const Access out = to_input.access();
    const auto apply_backward = [&](const kernels::BatchNormGrad& from) {
      kernels::batch_norm_apply_backward(layout.shape, in.data, from, center, k.raw_data(), row_of(others, 0),
                                         row_of(others, 1), gate, out.data);
    };
    if (pooled) {
      const Access chosen = behind.chosen.access();
      apply_backward(kernels::MaxPool2dBackward(*behind.pool, gradient.data,
                                                reinterpret_cast<const uint8_t*>(chosen.data)));
    } else if (training) {
      apply_backward(gradient.data);
    } else {  // no term of x: infinities in it must not reach the gradient; the zeros serve as center too
      kernels::batch_norm_apply(layout.shape, gradient.data, row_of(others, 1), k.raw_data(),
                                row_of(others, 1), nullptr, false, out.data);
    }
  }
  for (size_t c = 0; c < sums.size(); ++c) products[c] *= invstd[c];
  return {to_input, node.needs(1) ? channel_tensor(products, dtype) : Tensor(),
          node.needs(2) ? channel_tensor(sums, dtype) : Tensor()};
}

class BatchNormNode : public Node {
 public:
  BatchNormNode(bool training, double eps)
      : Node("NativeBatchNormBackward0", 1), training_(training), eps_(eps) {}

  Grads apply(Grads& grads) override {
    Behind nothing;
    return run(std::move(grads[0]), nothing);
  }
  // From the gradient of what lies behind; without a graph of its own.
  Grads run(Tensor grad, Behind& behind) {
    if (!grad.defined()) return Grads(next.size());
    const Tensor rows = saved(2);
    const Tensor weight = has_saved(1) ? saved(1) : Tensor();
    const Tensor x = has_saved(0) ? saved(0) : grad;
    if (autograd::grad_enabled())
      return differentiable_backward(*this, grad, x, weight, training_ ? Tensor() : saved(3),
                                     training_ ? Tensor() : saved(4), training_, eps_);
    return fused_backward(*this, std::move(grad), x, weight, rows, training_, behind);
  }
  bool training() const { return training_; }
  // The result of a ReLU behind it, once more.
  Tensor relu_result() {
    const autograd::GradModeGuard no_grad(false);
    return normalised(Layout(saved(0)), saved(2), Tensor(), true);
  }

 private:
  bool training_;
  double eps_;
};

// The sum of a batch norm's result, never written, and a residual.
class NormSumNode : public Node {
 public:
  NormSumNode() : Node("AddBackward0", 1) {}

  Grads apply(Grads& grads) override {
    return {needs(0) ? grads[0] : Tensor(), needs(1) ? grads[0] : Tensor()};
  }
};

// The ReLU behind a batch norm, or behind its sum with a residual, whose own results were never written: they
// run backward in one pass as well.
class NormReluNode : public Node {
 public:
  explicit NormReluNode(bool has_result) : Node("ReluBackward0", 1), has_result_(has_result) {}

  Grads apply(Grads& grads) override {
    if (!grads[0].defined()) return Grads(1);
    if (has_result_) return {relu_backward(grads[0], saved(0))};
    return {relu_backward(grads[0], static_cast<BatchNormNode&>(*next[0].node).relu_result())};
  }
  autograd::Chain merges_with() override {
    Node* const first = next[0].node.get();
    if (auto* norm = dynamic_cast<BatchNormNode*>(first))
      return norm->training() ? autograd::Chain{norm} : autograd::Chain{};
    if (auto* sum = dynamic_cast<NormSumNode*>(first))
      if (auto* norm = dynamic_cast<BatchNormNode*>(sum->next[0].node.get())) return {sum, norm};
    return {};
  }
  Grads apply_merged(Grads& grads) override {
    const Tensor result = has_result_ ? saved(0) : Tensor();  // read or not, it must not have changed
    Node& first = *next[0].node;
    Behind behind;
    if (auto* norm = dynamic_cast<BatchNormNode*>(&first)) {
      behind.relu = true;
      return norm->run(std::move(grads[0]), behind);
    }
    behind.relu_result = result;
    behind.shares = first.needs(1);
    Grads to_norm = static_cast<BatchNormNode&>(*first.next[0].node).run(std::move(grads[0]), behind);
    Grads all{std::move(behind.passed)};
    for (Tensor& grad : to_norm) all.push_back(std::move(grad));
    return all;
  }

 private:
  bool has_result_;  // else a batch norm comes before it, which makes it once more
};

// The max pooling behind such a ReLU, whose result was never written either.
class NormPoolNode : public Node {
 public:
  explicit NormPoolNode(const kernels::Pool2dParams& params)
      : Node("MaxPool2DWithIndicesBackward0", 1), params_(params) {}

  Grads apply(Grads& grads) override {
    if (!grads[0].defined()) return Grads(1);
    return {pool_detail::max_pool_backward(grads[0], saved(0), params_)};
  }
  autograd::Chain merges_with() override {
    Node* const relu = next[0].node.get();
    return {relu, relu->next[0].node.get()};
  }
  Grads apply_merged(Grads& grads) override {
    Behind behind;
    behind.relu = true;
    behind.pool = &params_;
    behind.chosen = saved(0);
    behind.picked = saved(1);
    auto& norm = static_cast<BatchNormNode&>(*next[0].node->next[0].node);
    return norm.run(std::move(grads[0]), behind);
  }

 private:
  kernels::Pool2dParams params_;
};

}  // namespace

std::shared_ptr<Node> make_norm_node(bool training, double eps) {
  return autograd::make_node<BatchNormNode>(training, eps);
}
std::shared_ptr<Node> make_norm_sum_node() { return autograd::make_node<NormSumNode>(); }
std::shared_ptr<Node> make_norm_relu_node(bool has_result) {
  return autograd::make_node<NormReluNode>(has_result);
}
std::shared_ptr<Node> make_norm_pool_node(const kernels::Pool2dParams& params) {
  return autograd::make_node<NormPoolNode>(params);
}

}  // namespace rushlight::ops::batch_norm_detail

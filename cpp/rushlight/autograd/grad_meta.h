// Autograd's part of a tensor.
#pragma once

#include <memory>
#include <mutex>

#include "rushlight/autograd/node.h"

namespace rushlight {

struct GradMeta {
  bool requires_grad = false;  // set by the user on a leaf; results have grad_fn instead
  bool retains_grad = false;
  int output = 0;
  uint32_t view_version = 0;  // storage version for which a view's grad_fn is valid
  std::shared_ptr<autograd::Node> grad_fn;
  std::weak_ptr<autograd::Node> accumulator;
  Tensor grad;
  std::unique_ptr<autograd::NodeHooks> leaf_hooks;
  std::mutex mutex;
};

namespace autograd {

GradMeta& grad_meta(const Tensor& tensor);  // made on first use

// The node that made `tensor`; null for leaves. A view whose base changed in place gets a fresh one.
std::shared_ptr<Node> grad_fn(const Tensor& tensor);
bool is_leaf(const Tensor& tensor);
// Where the gradient of `tensor` goes: its grad_fn, or a leaf's AccumulateGrad; null node if none.
Edge gradient_edge(const Tensor& tensor);

// Tensor.requires_grad_: throws RuntimeError for non-leaves (turning off) and non-float dtypes.
void set_requires_grad(const Tensor& tensor, bool requires_grad);
void retain_grad(const Tensor& tensor);
// The hooks a gradient of `tensor` passes through; Tensor.register_hook adds there.
NodeHooks& tensor_hooks(const Tensor& tensor);
int64_t register_hook(const Tensor& tensor, TensorHook hook);
// Removes a hook by its number from `hooks`; unknown numbers are ignored.
void remove_hook(NodeHooks& hooks, int64_t id);

Tensor grad_of(const Tensor& tensor);
// Throws RuntimeError if the shape or dtype differs from the tensor's.
void set_grad(const Tensor& tensor, const Tensor& grad);

// A handle on the same data outside the graph (Tensor.detach); shares the version counter.
Tensor detach(const Tensor& tensor);
// Same data *and* the same place in the graph, unaffected by a later in-place change of history.
Tensor snapshot(const Tensor& tensor);

}  // namespace autograd
}  // namespace rushlight

// How ops enter the graph. Pattern of every differentiable op:
//
//   Tensor mul(const Tensor& a, const Tensor& b) {
//     Tensor out = ...forward...;
//     if (autograd::recording(a, b))
//       autograd::record(out, "MulBackward0", {a, b}, {saved tensors},
//                        [](autograd::Node& node, const Tensor& grad) -> autograd::Grads {
//                          return {node.needs(0) ? ... : Tensor(), node.needs(1) ? ... : Tensor()};
//                        });
//     return out;
//   }
//
// The backward function is written with differentiable ops, so double backward follows by itself;
// it captures only sizes and numbers, every tensor goes through the saved list.
#pragma once

#include <initializer_list>

#include "rushlight/autograd/grad_meta.h"
#include "rushlight/autograd/grad_mode.h"
#include "rushlight/autograd/node.h"

namespace rushlight::autograd {

// The op must be recorded: recording is on and some input requires grad.
template <class... Tensors>
bool recording(const Tensors&... inputs) {
  return grad_enabled() && ((inputs.defined() && inputs.requires_grad()) || ...);
}
bool recording(const std::vector<Tensor>& inputs);

// Puts `tensor` in the saved list only if `wanted`.
inline SavedTensor save_if(bool wanted, const Tensor& tensor) {
  return wanted ? SavedTensor(tensor) : SavedTensor();
}

namespace detail {
void connect(Node& node, const Tensor& input);
void attach(const Tensor& result, std::shared_ptr<Node> node, int output);
}  // namespace detail

// For ops with several results (undefined or non-differentiable ones are given as Tensor(): they stay
// outside the graph but keep their number). `fn(node, grads)` sees undefined gradients where none arrived.
template <class F>
void record_multi(const std::vector<Tensor>& results, const char* name, const std::vector<Tensor>& inputs,
                  std::initializer_list<SavedTensor> saved, F fn) {
  auto node = make_node<FunctionNode<F>>(name, results.size(), std::move(fn));
  for (const Tensor& input : inputs) detail::connect(*node, input);
  set_saved(*node, saved);
  for (size_t i = 0; i < results.size(); ++i)
    if (results[i].defined()) detail::attach(results[i], node, static_cast<int>(i));
}

// One result: a fresh tensor, or the target of an in-place op after InPlace::written(). With more
// inputs than fit a brace list, pass a vector. `fn(node, grad)` is called with a defined gradient.
template <class Inputs = std::initializer_list<Tensor>, class F>
void record(const Tensor& result, const char* name, const Inputs& inputs,
            std::initializer_list<SavedTensor> saved, F fn) {
  auto node = make_node<FunctionNode<F>>(name, 1, std::move(fn));
  for (const Tensor& input : inputs) detail::connect(*node, input);
  set_saved(*node, saved);
  detail::attach(result, node, 0);
}

// One in-place change of `self`:
//   InPlace change(self, "mul_");            // checks that autograd allows it
//   ...kernel writes self's memory...
//   change.written();                        // bumps the version
//   if (recording(change.before, other)) record(self, "MulBackward0", {change.before, other}, ...);
// `before` stands for the old value in the graph (it must be input 0); saving it is allowed and makes
// backward report that the value is gone.
class InPlace {
 public:
  // Throws RuntimeError for a leaf that requires grad, an expanded tensor (several elements share
  // memory), an inference tensor outside inference mode, or a view that autograd cannot follow.
  InPlace(const Tensor& self, const char* op);
  void written() const { before.storage().bump_version(); }

  Tensor before;
};

// Makes `view` (fresh, sharing `base`'s storage) a view for autograd, so that in-place changes of one
// reach the other's gradient. Call after record().
void mark_view(const Tensor& view, const Tensor& base);

}  // namespace rushlight::autograd

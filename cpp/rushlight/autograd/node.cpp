#include "rushlight/autograd/node.h"

#include "rushlight/autograd/grad_arithmetic.h"
#include "rushlight/autograd/grad_meta.h"
#include "rushlight/autograd/grad_mode.h"

namespace rushlight::autograd {
namespace {
std::atomic<uint64_t> node_count{0};
}

int64_t next_hook_id() {
  static std::atomic<int64_t> count{0};
  return count.fetch_add(1);
}

Node::Node(const char* name, size_t result_count)
    : results(result_count),
      sequence_(node_count.fetch_add(1, std::memory_order_relaxed)),
      name_(name),
      source_(SourceLocation::capture()) {}

void Node::release_saved() {
  if (saved_.empty()) return;
  saved_.clear();
  released_ = true;
}

Tensor Node::saved(size_t i) {
  if (released_) {
    const std::string at = source_.describe();
    throw Error(str("Trying to backward through the graph a second time: the saved tensors of ", name_,
                    at.empty() ? "" : " (" + at + ")",
                    " were freed by the first backward. Specify retain_graph=True in the first backward (or "
                    "autograd.grad) if you need to go through the graph again"));
  }
  RUSHLIGHT_INTERNAL_ASSERT(i < saved_.size(), "saved tensor ", i, " of ", name_);
  return saved_[i].unpack(*this);
}

NodeHooks& Node::hooks() {
  if (!hooks_) hooks_ = std::make_unique<NodeHooks>();
  return *hooks_;
}

namespace detail {
void destroy_node(Node* node) {
  static thread_local std::vector<Node*> pending;
  static thread_local bool draining = false;
  pending.push_back(node);
  if (draining) return;
  draining = true;
  while (!pending.empty()) {
    Node* last = pending.back();
    pending.pop_back();
    delete last;
  }
  draining = false;
}
}  // namespace detail

AccumulateGrad::AccumulateGrad(Tensor variable) : Node("AccumulateGrad", 1), variable_(std::move(variable)) {
  sequence_ = ~uint64_t{0};  // leaves first: their gradients free memory
  results[0] = {variable_.sizes(), variable_.dtype()};
}

NodeHooks* AccumulateGrad::find_hooks() { return grad_meta(variable_).leaf_hooks.get(); }

NodeHooks& AccumulateGrad::hooks() {
  auto& owned = grad_meta(variable_).leaf_hooks;
  if (!owned) owned = std::make_unique<NodeHooks>();
  return *owned;
}

Grads AccumulateGrad::apply(Grads& grads) {
  Tensor incoming = std::move(grads[0]);
  if (!incoming.defined()) return {};
  GradMeta& meta = grad_meta(variable_);
  const std::lock_guard<std::mutex> lock(accumulate_mutex_);
  const bool building = grad_enabled();
  if (!meta.grad.defined()) {
    // A view of the whole of what nobody else has: of a transposed weight's gradient.
    if (!building && incoming.impl()->view_base != nullptr &&
        incoming.nbytes() == incoming.storage().nbytes())
      incoming = detach(incoming);
    // Take the buffer over if nobody else can see it and it looks like the variable.
    const bool takeable = !building && incoming.is_sole_owner() && incoming.is_contiguous();
    meta.grad = takeable ? std::move(incoming) : grad_clone(building ? incoming : detach(incoming));
  } else if (!building) {
    grad_add_inplace(meta.grad, incoming);
  } else {
    meta.grad = grad_add(meta.grad, incoming);
  }
  return {};
}

}  // namespace rushlight::autograd

// The graph: one Node per differentiable op, edges from a node to those that made its inputs.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "rushlight/autograd/saved_tensor.h"
#include "rushlight/base/source_location.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::autograd {

class Node;
using Grads = SmallVector<Tensor, 3>;
using Chain = SmallVector<Node*, 2>;

// Gradient flows to result number `output` of `node`. A null node needs no gradient.
struct Edge {
  std::shared_ptr<Node> node;
  int output = 0;
};

// What the gradient of one result must look like.
struct ResultMeta {
  Dims sizes;
  DType dtype = DType::Float32;
};

// A number for a hook, by which it can be removed.
int64_t next_hook_id();

// Called with a gradient; returns its replacement, or an undefined tensor to keep it.
using TensorHook = std::function<Tensor(const Tensor&)>;
// Post hooks see (gradients for the inputs, gradients of the results); pre hooks only the latter, as
// the first argument. An empty list keeps them.
using NodeHook = std::function<Grads(const Grads&, const Grads&)>;

struct HookEntry {
  int64_t id;
  int output;  // of the node, for tensor hooks
  TensorHook tensor_hook;
  NodeHook node_hook;
};

struct NodeHooks {
  std::vector<HookEntry> tensor;
  std::vector<HookEntry> pre;
  std::vector<HookEntry> post;
  std::vector<std::pair<int, std::weak_ptr<TensorImpl>>> retain;
};

class Node : public std::enable_shared_from_this<Node> {
 public:
  // `name` must live for good.
  Node(const char* name, size_t results);
  virtual ~Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Gradients of the results in (undefined: none arrived), gradients of the inputs out.
  virtual Grads apply(Grads& grads) = 0;
  // The nodes that can run backward together with this one: the one it hands its gradient to, the one that
  // one hands it to through its first edge, and so on. Where nobody looks at what passes between them, the
  // engine calls apply_merged instead of their apply; it returns the gradients that leave the chain, edge by
  // edge, node by node. Such nodes have no other user.
  virtual Chain merges_with() { return {}; }
  virtual Grads apply_merged(Grads& grads) { return apply(grads); }
  // Frees what was saved for backward; a later apply that needs it throws.
  virtual void release_saved();

  // PyTorch's name, for example "MulBackward0".
  std::string name() const { return name_; }
  // Where the user's code ran the op; empty if unknown.
  const SourceLocation& source() const { return source_; }
  // Later ops have higher numbers: the engine runs them first.
  uint64_t sequence() const { return sequence_; }

  // Input `i` wants a gradient in the backward that is running on this thread.
  bool needs(size_t i) const;
  // Saved tensor `i`; throws RuntimeError after release_saved() or if it was modified in place.
  Tensor saved(size_t i);
  bool has_saved(size_t i) const { return i < saved_.size() && saved_[i].defined(); }

  // Hooks of this node (a leaf's AccumulateGrad shares the leaf's); null if there are none.
  virtual NodeHooks* find_hooks() { return hooks_.get(); }
  virtual NodeHooks& hooks();

  SmallVector<Edge, 2> next;
  SmallVector<ResultMeta, 1> results;

 protected:
  uint64_t sequence_;

 private:
  friend class Engine;
  friend void set_saved(Node& node, std::initializer_list<SavedTensor> saved);

  const char* name_;
  SourceLocation source_;
  SmallVector<SavedTensor, 2> saved_;
  bool released_ = false;
  std::unique_ptr<NodeHooks> hooks_;
  std::recursive_mutex mutex_;  // backward may run on several threads over a shared graph, or inside itself
};

inline void set_saved(Node& node, std::initializer_list<SavedTensor> saved) {
  for (const SavedTensor& item : saved) node.saved_.push_back(item);
}

namespace detail {
void destroy_node(Node* node);
}

// All nodes are made here: destruction is iterative, so that a chain of a million nodes does not
// overflow the stack.
template <class N, class... Args>
std::shared_ptr<N> make_node(Args&&... args) {
  return std::shared_ptr<N>(new N(std::forward<Args>(args)...), [](N* node) { detail::destroy_node(node); });
}

// The node of an op whose backward is a function object: `fn(node, grad) -> Grads` for one result,
// `fn(node, grads) -> Grads` for several.
template <class F>
class FunctionNode : public Node {
 public:
  FunctionNode(const char* name, size_t result_count, F fn) : Node(name, result_count), fn_(std::move(fn)) {}

  Grads apply(Grads& grads) override {
    if constexpr (std::is_invocable_v<F&, Node&, const Tensor&>) {
      if (!grads[0].defined()) return Grads(next.size());
      return fn_(*this, grads[0]);
    } else {
      return fn_(*this, grads);
    }
  }

 private:
  F fn_;
};

// The sink of a leaf: adds what arrives to its .grad.
class AccumulateGrad : public Node {
 public:
  explicit AccumulateGrad(Tensor variable);
  Grads apply(Grads& grads) override;
  NodeHooks* find_hooks() override;
  NodeHooks& hooks() override;
  const Tensor& variable() const { return variable_; }

 private:
  Tensor variable_;
  std::mutex accumulate_mutex_;
};

}  // namespace rushlight::autograd

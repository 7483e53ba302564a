#include "rushlight/autograd/engine.h"

#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "rushlight/autograd/grad_arithmetic.h"
#include "rushlight/autograd/grad_meta.h"
#include "rushlight/autograd/grad_mode.h"
#include "rushlight/tensor/traced.h"

namespace rushlight::autograd {
namespace {

std::atomic<bool> anomaly{false};

// Nodes that lead to the inputs asked for; null: all of them.
thread_local const std::unordered_set<const Node*>* needed_nodes = nullptr;

struct Task {
  int waiting = 0;  // gradients still to come
  Grads grads;
};

struct Capture {
  const Node* node;
  int output;
  Tensor grad;
};

// Later ops first; among equals (AccumulateGrad) the order of arrival.
struct Ready {
  uint64_t sequence;
  uint64_t arrival;
  std::shared_ptr<Node> node;
  bool operator<(const Ready& other) const {
    return sequence != other.sequence ? sequence < other.sequence : arrival > other.arrival;
  }
};

std::string place(const Node& node) {
  const std::string at = node.source().describe();
  return at.empty() ? node.name() : node.name() + " (" + at + ")";
}

// The gradient in the shape and dtype of result `output` of `node`; `describe()` names what made it.
template <class Describe>
Tensor fitted(const Node& node, int output, Tensor grad, Describe&& describe) {
  const ResultMeta& meta = node.results[output];
  if (grad.sizes() != meta.sizes) {
    bool sums = grad.dim() >= static_cast<int64_t>(meta.sizes.size());
    for (size_t i = 0; sums && i < meta.sizes.size(); ++i) {
      const int64_t size = grad.sizes()[grad.sizes().size() - meta.sizes.size() + i];
      sums = meta.sizes[i] == size || meta.sizes[i] == 1;
    }
    RUSHLIGHT_CHECK(sums, describe(), " returned an invalid gradient: got ", to_string(grad.sizes()),
                    " but expected shape compatible with ", to_string(meta.sizes), ", the result of ",
                    place(node));
    grad = grad_sum_to(grad, meta.sizes);
  }
  if (grad.dtype() != meta.dtype) {
    RUSHLIGHT_CHECK(is_floating(grad.dtype()), describe(), " returned an invalid gradient: expected dtype ",
                    dtype_name(meta.dtype), " but got ", dtype_name(grad.dtype()));
    grad = grad_cast(grad, meta.dtype);
  }
  return grad;
}

}  // namespace

bool Node::needs(size_t i) const {
  return i < next.size() && next[i].node != nullptr &&
         (needed_nodes == nullptr || needed_nodes->count(next[i].node.get()) != 0);
}

class Engine {
 public:
  Engine(const BackwardOptions& options, const std::vector<Tensor>* inputs) : options_(options) {
    if (inputs == nullptr) return;
    for (const Tensor& input : *inputs) {
      Edge edge = gradient_edge(input);
      RUSHLIGHT_CHECK(edge.node != nullptr, "One of the differentiated Tensors does not require grad (shape ",
                      to_string(input.sizes()), ")");
      captures_.push_back({edge.node.get(), edge.output, Tensor()});
      held_.push_back(std::move(edge.node));
    }
    filtered_ = true;
  }

  std::vector<Tensor> run(const std::vector<Edge>& roots, const std::vector<Tensor>& grads) {
    if (filtered_) find_needed(roots);
    const std::unordered_set<const Node*>* outer = needed_nodes;
    needed_nodes = filtered_ ? &needed_ : nullptr;
    struct Restore {
      const std::unordered_set<const Node*>* outer;
      ~Restore() { needed_nodes = outer; }
    } restore{outer};
    count_dependencies(roots);
    for (size_t i = 0; i < roots.size(); ++i) deliver(roots[i], grads[i]);
    const GradModeGuard mode(options_.create_graph);
    while (!ready_.empty()) {
      std::shared_ptr<Node> node = ready_.top().node;
      ready_.pop();
      run_node(node);
    }
    std::vector<Tensor> captured;
    for (Capture& capture : captures_) {
      // Nothing is deferred beyond the call that asked for it.
      if (capture.grad.defined()) capture.grad.storage().settle();
      captured.push_back(std::move(capture.grad));
    }
    return captured;
  }

 private:
  bool wanted(const Node* node) const { return !filtered_ || needed_.count(node) != 0; }

  // Marks the nodes on a path from the roots to an input (post-order walk with an explicit stack).
  void find_needed(const std::vector<Edge>& roots) {
    for (const Capture& capture : captures_) needed_.insert(capture.node);
    std::unordered_set<const Node*> seen;
    std::vector<std::pair<const Node*, size_t>> stack;
    for (const Edge& root : roots) {
      if (root.node != nullptr && seen.insert(root.node.get()).second) stack.push_back({root.node.get(), 0});
      while (!stack.empty()) {
        auto& [node, index] = stack.back();
        if (index < node->next.size()) {
          const Node* child = node->next[index++].node.get();
          if (child != nullptr && seen.insert(child).second) stack.push_back({child, 0});
          continue;
        }
        for (const Edge& edge : node->next)
          if (edge.node != nullptr && needed_.count(edge.node.get()) != 0) {
            needed_.insert(node);
            break;
          }
        stack.pop_back();
      }
    }
  }

  void count_dependencies(const std::vector<Edge>& roots) {
    std::vector<Node*> stack;
    for (const Edge& root : roots) {
      if (root.node == nullptr || !wanted(root.node.get())) continue;
      Task& task = tasks_[root.node.get()];
      if (task.grads.empty()) {
        task.grads.resize(root.node->results.size());
        stack.push_back(root.node.get());
      }
      ++task.waiting;
    }
    while (!stack.empty()) {
      Node* node = stack.back();
      stack.pop_back();
      for (const Edge& edge : node->next) {
        if (edge.node == nullptr || !wanted(edge.node.get())) continue;
        Task& task = tasks_[edge.node.get()];
        if (task.grads.empty()) {
          task.grads.resize(edge.node->results.size());
          stack.push_back(edge.node.get());
        }
        ++task.waiting;
      }
    }
  }

  // Adds a gradient (undefined: nothing) to what `edge` has received; the last one makes it ready.
  void deliver(const Edge& edge, Tensor grad) {
    if (edge.node == nullptr || !wanted(edge.node.get())) return;
    Task& task = tasks_.find(edge.node.get())->second;
    if (grad.defined()) {
      Tensor& sum = task.grads[edge.output];
      if (!sum.defined()) {
        sum = std::move(grad);
      } else if (!grad_enabled() && sum.is_sole_owner() && sum.sizes() == grad.sizes() &&
                 is_contiguous(sum.sizes(), sum.strides())) {
        grad_add_inplace(sum, grad);
      } else {
        sum = grad_add(sum, grad);
      }
    }
    if (--task.waiting == 0) ready_.push({edge.node->sequence(), arrivals_++, edge.node});
  }

  void run_node(const std::shared_ptr<Node>& node) {
    auto entry = tasks_.find(node.get());
    Grads grads = std::move(entry->second.grads);
    tasks_.erase(entry);
    const std::lock_guard<std::recursive_mutex> lock(node->mutex_);
    run_pre_hooks(*node, grads);
    bool captured = false;
    for (Capture& capture : captures_)
      if (capture.node == node.get()) {
        capture.grad = grads[capture.output];
        captured = true;
      }
    if (captured && !runs_after_capture(*node)) return;
    const Chain chain = mergeable(*node);
    Grads out = compute(*node, chain, grads);
    grads.clear();
    if (!options_.retain_graph) node->release_saved();
    size_t i = 0;
    if (chain.empty()) hand_on(*node, 0, out, i);
    for (size_t c = 0; c < chain.size(); ++c) hand_on(*chain[c], c + 1 < chain.size() ? 1 : 0, out, i);
  }

  // Delivers the gradients out[i], ... along the edges of `node` from `first` on.
  void hand_on(const Node& node, size_t first, Grads& out, size_t& i) {
    for (size_t k = first; k < node.next.size(); ++k, ++i) {
      const Edge& edge = node.next[k];
      Tensor grad = i < out.size() ? std::move(out[i]) : Tensor();
      if (edge.node == nullptr || !wanted(edge.node.get())) continue;
      if (grad.defined()) {
        if (anomaly.load(std::memory_order_relaxed))
          RUSHLIGHT_CHECK(!has_nan(grad), "Function '", place(node), "' returned nan values in its ", k,
                          "th output.");
        grad = fitted(*edge.node, edge.output, std::move(grad), [&] { return place(node); });
      }
      deliver(edge, std::move(grad));
    }
  }

  // Runs `node`, together with those of `chain`.
  Grads compute(Node& node, const Chain& chain, Grads& grads) {
    TracedCall call(node.name_, trace::Kind::Backward);
    if (call)
      for (const Tensor& grad : grads) call.input(grad);
    Grads out;
    if (chain.empty()) {
      out = apply(node, grads);
    } else {
      std::vector<std::unique_lock<std::recursive_mutex>> locks;
      std::string names;
      for (Node* const link : chain) {
        names += (names.empty() ? "merged with " : ", ") + link->name();
        locks.emplace_back(link->mutex_);
        tasks_.erase(link);
      }
      if (call) trace::note_kernel(names.c_str());
      out = node.apply_merged(grads);
      if (!options_.retain_graph)
        for (Node* const link : chain) link->release_saved();
    }
    if (call)
      for (const Tensor& grad : out) call.output(grad);
    return out;
  }

  // What may run together with `node`: nobody looks at the gradients between them.
  Chain mergeable(Node& node) {
    if (options_.create_graph || node.find_hooks() != nullptr) return {};
    Chain chain = node.merges_with();
    for (Node* const link : chain) {
      if (link->find_hooks() != nullptr || !wanted(link)) return {};
      for (const Capture& capture : captures_)
        if (capture.node == link) return {};
    }
    return chain;
  }

  // A captured node goes on only to accumulate a leaf's gradient or because other inputs lie behind it.
  bool runs_after_capture(const Node& node) const {
    if (node.next.empty()) return options_.accumulate;
    for (const Edge& edge : node.next)
      if (edge.node != nullptr && wanted(edge.node.get())) return true;
    return false;
  }

  static Grads apply(Node& node, Grads& grads) {
    Grads out;
    NodeHooks* hooks = node.find_hooks();
    if (hooks == nullptr || hooks->post.empty()) return node.apply(grads);
    const Grads received = grads;
    out = node.apply(grads);
    const std::vector<HookEntry> post = hooks->post;
    for (const HookEntry& hook : post) {
      Grads replaced = hook.node_hook(out, received);
      if (!replaced.empty()) out = std::move(replaced);
    }
    return out;
  }

  static void run_pre_hooks(Node& node, Grads& grads) {
    NodeHooks* found = node.find_hooks();
    if (found == nullptr) return;
    const NodeHooks hooks = *found;  // a hook may remove itself
    for (const HookEntry& hook : hooks.tensor) {
      Tensor& grad = grads[hook.output];
      if (!grad.defined()) continue;
      Tensor replaced = hook.tensor_hook(grad);
      if (replaced.defined())
        grad = fitted(node, hook.output, std::move(replaced), [&] { return "a hook of " + place(node); });
    }
    for (const HookEntry& hook : hooks.pre) {
      Grads replaced = hook.node_hook(grads, Grads());
      if (!replaced.empty()) grads = std::move(replaced);
    }
    for (const auto& [output, weak] : hooks.retain) {
      const std::shared_ptr<TensorImpl> impl = weak.lock();
      if (impl == nullptr || !grads[output].defined()) continue;
      GradMeta& meta = grad_meta(Tensor(impl));
      meta.grad = meta.grad.defined() ? grad_add(meta.grad, grads[output]) : grad_clone(grads[output]);
    }
  }

  BackwardOptions options_;
  bool filtered_ = false;
  std::unordered_set<const Node*> needed_;
  std::vector<Capture> captures_;
  std::vector<std::shared_ptr<Node>> held_;
  std::unordered_map<Node*, Task> tasks_;
  std::priority_queue<Ready> ready_;
  uint64_t arrivals_ = 0;
};

std::vector<Tensor> run_backward(const std::vector<Tensor>& roots, const std::vector<Tensor>& grads,
                                 const BackwardOptions& options, const std::vector<Tensor>* inputs) {
  RUSHLIGHT_CHECK(roots.size() == grads.size(), "got ", roots.size(), " tensors and ", grads.size(),
                  " gradients");
  RUSHLIGHT_CHECK_VALUE(inputs == nullptr || !inputs->empty() || !options.accumulate,
                        "`inputs` argument to `backward` cannot be empty.");
  std::vector<Edge> edges;
  std::vector<Tensor> start;
  for (size_t i = 0; i < roots.size(); ++i) {
    const Tensor& root = roots[i];
    Edge edge = gradient_edge(root);
    RUSHLIGHT_CHECK(edge.node != nullptr, "element ", i,
                    " of tensors does not require grad and does not have a grad_fn (shape ",
                    to_string(root.sizes()),
                    "): nothing in its history requires grad, or it was made under no_grad() or detach()");
    Tensor grad = grads[i];
    if (!grad.defined()) {
      RUSHLIGHT_CHECK(root.numel() == 1, "grad can be implicitly created only for scalar outputs, got shape ",
                      to_string(root.sizes()), ". Pass gradient=, or reduce with .sum() or .mean() first");
      grad = grad_ones(root.sizes(), root.dtype());
    } else {
      RUSHLIGHT_CHECK(grad.sizes() == root.sizes(), "Mismatch in shape: grad_output[", i, "] has a shape of ",
                      to_string(grad.sizes()), " and output[", i, "] has a shape of ",
                      to_string(root.sizes()), ".");
      RUSHLIGHT_CHECK(is_floating(grad.dtype()), "grad_output[", i, "] must be floating point, got ",
                      dtype_name(grad.dtype()));
      if (grad.dtype() != root.dtype()) grad = grad_cast(grad, root.dtype());
    }
    edges.push_back(std::move(edge));
    start.push_back(std::move(grad));
  }
  return Engine(options, inputs).run(edges, start);
}

bool anomaly_enabled() { return anomaly.load(); }
void set_anomaly_enabled(bool enabled) { anomaly.store(enabled); }

}  // namespace rushlight::autograd

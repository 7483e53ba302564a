#include "rushlight/autograd/grad_meta.h"

#include <algorithm>

#include "rushlight/autograd/grad_arithmetic.h"
#include "rushlight/autograd/record.h"

namespace rushlight {

bool Tensor::requires_grad() const {
  const TensorImpl& self = *impl_;
  if (self.grad != nullptr && (self.grad->requires_grad || self.grad->grad_fn != nullptr)) return true;
  // A view of a tensor that entered the graph after the view was made.
  return self.view_base != nullptr && !self.view_in_no_grad && Tensor(self.view_base).requires_grad();
}

namespace autograd {
namespace {

std::mutex make_meta_mutex;

// Elements of the geometry may share memory: some stride does not step over all smaller ones.
bool may_overlap(const Geometry& view) {
  SmallVector<std::pair<int64_t, int64_t>, 5> steps;
  for (size_t d = 0; d < view.sizes.size(); ++d)
    if (view.sizes[d] > 1) steps.push_back({view.strides[d], view.sizes[d]});
  std::sort(steps.begin(), steps.end());
  int64_t reach = 0;
  for (const auto& [stride, size] : steps) {
    if (stride <= reach) return true;
    reach += stride * (size - 1);
  }
  return false;
}

// A view whose storage changed in place since its grad_fn was made: reads its base's history anew.
class AsStridedBackward : public Node {
 public:
  AsStridedBackward(const Tensor& view, const Tensor& base)
      : Node("AsStridedBackward0", 1),
        base_{base.sizes(), base.strides(), base.offset()},
        view_{view.sizes(), view.strides(), view.offset()},
        dtype_(base.dtype()) {
    results[0] = {view.sizes(), view.dtype()};
    next.push_back(gradient_edge(base));
  }
  Grads apply(Grads& grads) override {
    if (!grads[0].defined()) return Grads(1);
    if (may_overlap(view_)) return {grad_as_strided_accumulate(grads[0], base_, view_)};
    return {grad_as_strided_scatter(grad_zeros(base_.sizes, dtype_), grads[0], base_, view_)};
  }

 private:
  Geometry base_;
  Geometry view_;
  DType dtype_;
};

// The history of a tensor after an in-place op `fn` on a view of it: gradients outside the view pass
// through, those inside go through `fn`.
class CopySlices : public Node {
 public:
  CopySlices(const Tensor& view, const Tensor& base, std::shared_ptr<Node> fn)
      : Node("CopySlices", 1),
        base_{base.sizes(), base.strides(), base.offset()},
        view_{view.sizes(), view.strides(), view.offset()},
        fn_(std::move(fn)) {
    results[0] = {base.sizes(), base.dtype()};
    Edge edge = gradient_edge(base);
    if (!fn_->next.empty() && fn_->next[0].node != nullptr) fn_->next[0] = edge;
    next.push_back(std::move(edge));
    for (size_t i = 1; i < fn_->next.size(); ++i) next.push_back(fn_->next[i]);
  }
  Grads apply(Grads& grads) override {
    Grads out(next.size());
    if (!grads[0].defined()) return out;
    Grads inside{grad_as_strided(grads[0], base_, view_)};
    inside[0] = grad_clone(inside[0]);
    Grads through = fn_->apply(inside);
    if (needs(0)) {
      Tensor slice =
          !through.empty() && through[0].defined() ? through[0] : grad_zeros(view_.sizes, grads[0].dtype());
      out[0] = grad_as_strided_scatter(grads[0], slice, base_, view_);
    }
    for (size_t i = 1; i < through.size(); ++i) out[i] = through[i];
    return out;
  }
  void release_saved() override { fn_->release_saved(); }

 private:
  Geometry base_;
  Geometry view_;
  std::shared_ptr<Node> fn_;
};

// Makes `node` what made `tensor`. A retained gradient is that of the newest value, so it moves along; hooks
// stay with the value they were registered on.
void set_history(const Tensor& tensor, std::shared_ptr<Node> node, int output) {
  GradMeta& meta = grad_meta(tensor);
  if (meta.retains_grad) {
    if (meta.grad_fn != nullptr) {
      auto& old = meta.grad_fn->hooks().retain;
      old.erase(std::remove_if(old.begin(), old.end(),
                               [&](const auto& entry) { return entry.second.lock() == tensor.shared(); }),
                old.end());
    }
    node->hooks().retain.push_back({output, tensor.shared()});
  }
  meta.grad_fn = std::move(node);
  meta.output = output;
}

}  // namespace

GradMeta& grad_meta(const Tensor& tensor) {
  TensorImpl& impl = *tensor.impl();
  if (impl.grad == nullptr) {
    const std::lock_guard<std::mutex> lock(make_meta_mutex);
    if (impl.grad == nullptr) impl.grad = std::make_shared<GradMeta>();
  }
  return *impl.grad;
}

std::shared_ptr<Node> grad_fn(const Tensor& tensor) {
  TensorImpl& impl = *tensor.impl();
  if (impl.view_base != nullptr && !impl.view_in_no_grad) {
    const Tensor base(impl.view_base);
    if (base.requires_grad()) {
      GradMeta& meta = grad_meta(tensor);
      const std::lock_guard<std::mutex> lock(meta.mutex);
      const uint32_t version = tensor.storage().version();
      if (meta.grad_fn == nullptr || meta.view_version != version) {
        if (!meta.requires_grad) set_history(tensor, make_node<AsStridedBackward>(tensor, base), 0);
        meta.view_version = version;
      }
      return meta.grad_fn;
    }
  }
  return impl.grad != nullptr ? impl.grad->grad_fn : nullptr;
}

bool is_leaf(const Tensor& tensor) { return grad_fn(tensor) == nullptr; }

Edge gradient_edge(const Tensor& tensor) {
  if (!tensor.requires_grad()) return {};
  if (std::shared_ptr<Node> node = grad_fn(tensor)) return {std::move(node), tensor.impl()->grad->output};
  GradMeta& meta = grad_meta(tensor);
  const std::lock_guard<std::mutex> lock(meta.mutex);
  std::shared_ptr<Node> node = meta.accumulator.lock();
  if (node == nullptr) {
    node = make_node<AccumulateGrad>(tensor);
    meta.accumulator = node;
  }
  return {std::move(node), 0};
}

void set_requires_grad(const Tensor& tensor, bool requires_grad) {
  if (!requires_grad && !tensor.requires_grad()) return;
  RUSHLIGHT_CHECK(is_leaf(tensor) || requires_grad,
                  "you can only change requires_grad flags of leaf variables: this tensor of shape ",
                  to_string(tensor.sizes()), " was made by ", grad_fn(tensor)->name(),
                  ". To use a computed variable in a subgraph that does not require differentiation use "
                  "var_no_grad = var.detach()");
  RUSHLIGHT_CHECK(!requires_grad || is_floating(tensor.dtype()),
                  "only Tensors of floating point dtype can require gradients, got ",
                  dtype_name(tensor.dtype()));
  RUSHLIGHT_CHECK(!requires_grad || !tensor.impl()->inference || inference_mode(),
                  "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed");
  if (is_leaf(tensor)) grad_meta(tensor).requires_grad = requires_grad;
}

NodeHooks& tensor_hooks(const Tensor& tensor) {
  RUSHLIGHT_CHECK(tensor.requires_grad(),
                  "cannot register a hook on a tensor that doesn't require gradient (shape ",
                  to_string(tensor.sizes()), ")");
  return gradient_edge(tensor).node->hooks();
}

int64_t register_hook(const Tensor& tensor, TensorHook hook) {
  NodeHooks& hooks = tensor_hooks(tensor);
  const int64_t id = next_hook_id();
  hooks.tensor.push_back({id, is_leaf(tensor) ? 0 : tensor.impl()->grad->output, std::move(hook), {}});
  return id;
}

void remove_hook(NodeHooks& hooks, int64_t id) {
  for (auto* list : {&hooks.tensor, &hooks.pre, &hooks.post})
    list->erase(std::remove_if(list->begin(), list->end(), [id](const HookEntry& e) { return e.id == id; }),
                list->end());
}

void retain_grad(const Tensor& tensor) {
  RUSHLIGHT_CHECK(tensor.requires_grad(), "can't retain_grad on Tensor that has requires_grad=False");
  if (is_leaf(tensor)) return;
  const Edge edge = gradient_edge(tensor);
  GradMeta& meta = grad_meta(tensor);
  if (meta.retains_grad) return;
  meta.retains_grad = true;
  edge.node->hooks().retain.push_back({edge.output, tensor.shared()});
}

Tensor grad_of(const Tensor& tensor) {
  return tensor.impl()->grad != nullptr ? tensor.impl()->grad->grad : Tensor();
}

void set_grad(const Tensor& tensor, const Tensor& grad) {
  if (grad.defined()) {
    RUSHLIGHT_CHECK(grad.impl() != tensor.impl(), "can't assign Variable as its own grad");
    RUSHLIGHT_CHECK(grad.sizes() == tensor.sizes(), "assigned grad has data of a different size: tensor ",
                    to_string(tensor.sizes()), ", grad ", to_string(grad.sizes()));
    RUSHLIGHT_CHECK(grad.dtype() == tensor.dtype(), "assigned grad has data of a different type: tensor ",
                    dtype_name(tensor.dtype()), ", grad ", dtype_name(grad.dtype()));
  } else if (tensor.impl()->grad == nullptr) {
    return;
  }
  grad_meta(tensor).grad = grad;
}

Tensor detach(const Tensor& tensor) {
  Tensor plain = tensor.alias();
  plain.impl()->inference = tensor.impl()->inference;
  return plain;
}

Tensor snapshot(const Tensor& tensor) {
  Tensor copy = tensor.alias();
  if (tensor.requires_grad()) {
    Edge edge = gradient_edge(tensor);
    GradMeta& meta = grad_meta(copy);
    meta.grad_fn = std::move(edge.node);
    meta.output = edge.output;
  }
  return copy;
}

bool recording(const std::vector<Tensor>& inputs) {
  if (!grad_enabled()) return false;
  return std::any_of(inputs.begin(), inputs.end(),
                     [](const Tensor& input) { return input.defined() && input.requires_grad(); });
}

namespace detail {

void connect(Node& node, const Tensor& input) {
  node.next.push_back(input.defined() ? gradient_edge(input) : Edge{});
}

void attach(const Tensor& result, std::shared_ptr<Node> node, int output) {
  if (!is_floating(result.dtype())) return;
  node->results[output] = {result.sizes(), result.dtype()};
  TensorImpl& impl = *result.impl();
  if (impl.view_base != nullptr) {  // in-place on a view: the base's history changes
    const Tensor base(impl.view_base);
    auto slices = make_node<CopySlices>(result, base, std::move(node));
    set_history(base, std::move(slices), 0);
    return;
  }
  set_history(result, std::move(node), output);
}

}  // namespace detail

InPlace::InPlace(const Tensor& self, const char* op) : before(self) {
  const TensorImpl& impl = *self.impl();
  for (size_t i = 0; i < impl.sizes.size(); ++i)
    RUSHLIGHT_CHECK(impl.sizes[i] <= 1 || impl.strides[i] != 0, op,
                    ": unsupported operation: more than one element of the written-to tensor (shape ",
                    to_string(impl.sizes), ", strides ", to_string(impl.strides),
                    ") refers to a single memory location. Please clone() the tensor before the operation");
  RUSHLIGHT_CHECK(
      !impl.inference || inference_mode(), op,
      ": Inplace update to inference tensor outside InferenceMode is not allowed. Clone it first");
  if (!grad_enabled()) return;
  if (self.requires_grad()) {
    RUSHLIGHT_CHECK(!is_leaf(self), op,
                    ": a leaf Variable that requires grad is being used in an in-place operation (shape ",
                    to_string(impl.sizes), "). Use torch.no_grad(), or work on a clone");
    RUSHLIGHT_CHECK(impl.view_base == nullptr || !is_leaf(Tensor(impl.view_base)), op,
                    ": a view of a leaf Variable that requires grad is being used in an in-place operation "
                    "(view ",
                    to_string(impl.sizes), " of ", to_string(impl.view_base ? impl.view_base->sizes : Dims()),
                    "). Use torch.no_grad(), or work on a clone");
    RUSHLIGHT_CHECK(
        impl.view_base == nullptr || grad_fn(self)->results.size() == 1, op, ": Output of ",
        grad_fn(self)->name(),
        " is a view and is being modified inplace. This view is the output of a function that returns "
        "multiple views; such functions do not allow the output views to be modified inplace. Use a "
        "single-view function or clone() it");
  } else if (impl.view_in_no_grad && impl.view_base != nullptr && Tensor(impl.view_base).requires_grad()) {
    RUSHLIGHT_CHECK(
        false, op,
        ": A view was created in no_grad mode and is being modified inplace with grad mode enabled. "
        "Make the view outside no_grad, or modify it inside");
  }
  before = snapshot(self);
  before.impl()->before_change = true;
}

void mark_view(const Tensor& view, const Tensor& base) {
  TensorImpl& impl = *view.impl();
  const TensorImpl& from = *base.impl();
  impl.inference = from.inference;
  impl.view_base = from.view_base != nullptr ? from.view_base : base.shared();
  impl.view_in_no_grad = from.view_in_no_grad || !grad_enabled();
  if (impl.grad != nullptr) impl.grad->view_version = view.storage().version();
}

}  // namespace autograd
}  // namespace rushlight

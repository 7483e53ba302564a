// autograd.Function: a node whose backward is written in Python.
#include <algorithm>
#include <unordered_set>

#include "bind.h"
#include "python_object.h"
#include "rushlight/autograd/grad_arithmetic.h"
#include "rushlight/autograd/record.h"

namespace rushlight::bindings {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::SavedTensor;

// The same text for good: a name belongs to a class, so there are few.
const char* interned(const std::string& name) {
  static auto* const names = new std::unordered_set<std::string>;  // guarded by the GIL
  return names->insert(name).first->c_str();
}

class PythonNode : public Node {
 public:
  PythonNode(const std::string& name, size_t result_count, SharedObject backward, bool materialize)
      : Node(interned(name), result_count), backward_(std::move(backward)), materialize_(materialize) {}

  Grads apply(Grads& grads) override {
    if (materialize_)
      for (size_t i = 0; i < grads.size(); ++i)
        if (!grads[i].defined()) grads[i] = autograd::grad_zeros(results[i].sizes, results[i].dtype);
    const py::gil_scoped_acquire gil;
    Grads out = to_grads((*backward_)(to_tuple(grads)));
    RUSHLIGHT_INTERNAL_ASSERT(out.size() == next.size(), name(), ": ", out.size(), " gradients");
    return out;
  }

  // What saved_tensors gives.
  std::vector<Tensor> unpack() {
    std::vector<Tensor> tensors;
    for (size_t i = 0; i < saved_count; ++i) tensors.push_back(saved(i));
    return tensors;
  }

  size_t saved_count = 0;

 private:
  SharedObject backward_;
  bool materialize_;
};

bool contains(const std::vector<Tensor>& tensors, const Tensor& wanted) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const Tensor& tensor) { return tensor.impl() == wanted.impl(); });
}

// One call of a Python-written function, as forward left it.
struct Call {
  std::string name;
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
  std::vector<Tensor> dirty;  // inputs that forward changed in place
  std::vector<Tensor> non_differentiable;
  std::vector<std::optional<Tensor>> saved;
  bool materialize;

  bool differentiable(const Tensor& output) const {
    return is_floating(output.dtype()) && !contains(non_differentiable, output);
  }

  // Output `i` as it goes to the user. What already has a place of its own (an input, a view, an
  // output returned twice) leaves as another handle, so that the original's history stays.
  Tensor released(size_t i) const {
    const Tensor& output = outputs[i];
    const std::vector<Tensor> earlier(outputs.begin(), outputs.begin() + static_cast<std::ptrdiff_t>(i));
    const bool taken = contains(inputs, output) || contains(earlier, output) || output.requires_grad() ||
                       output.impl()->view_base != nullptr;
    return taken && !contains(dirty, output) ? autograd::detach(output) : output;
  }
};

void save(PythonNode& node, const Call& call) {
  for (const std::optional<Tensor>& tensor : call.saved) {
    if (!tensor.has_value()) {
      autograd::set_saved(node, {SavedTensor()});
      continue;
    }
    const auto place = std::find_if(call.outputs.begin(), call.outputs.end(),
                                    [&](const Tensor& output) { return output.impl() == tensor->impl(); });
    const bool own = place != call.outputs.end() && call.differentiable(*tensor) &&
                     (!contains(call.inputs, *tensor) || contains(call.dirty, *tensor));
    if (own)  // kept without its graph, which would hold this node: a cycle
      autograd::set_saved(node,
                          {SavedTensor::result(*tensor, static_cast<int>(place - call.outputs.begin()))});
    else
      autograd::set_saved(node, {SavedTensor(*tensor)});
  }
  node.saved_count = call.saved.size();
}

// Puts the call into the graph if anything in it requires grad. Returns (outputs, function that unpacks
// the saved tensors, or None if nothing was recorded).
py::tuple record_function(Call call, py::function backward) {
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < call.outputs.size(); ++i) outputs.push_back(call.released(i));
  if (!autograd::recording(call.inputs)) return py::make_tuple(outputs, py::none());

  std::vector<Tensor> before = call.inputs;
  for (Tensor& input : before)
    if (contains(call.dirty, input)) input = autograd::InPlace(input, call.name.c_str()).before;
  auto node = autograd::make_node<PythonNode>(call.name, outputs.size(), share(std::move(backward)),
                                              call.materialize);
  for (const Tensor& input : before) autograd::detail::connect(*node, input);
  save(*node, call);
  for (size_t i = 0; i < outputs.size(); ++i) {
    node->results[i] = {outputs[i].sizes(), outputs[i].dtype()};
    if (call.differentiable(call.outputs[i])) autograd::detail::attach(outputs[i], node, static_cast<int>(i));
  }
  const std::weak_ptr<PythonNode> weak = node;
  py::cpp_function unpack([weak] {
    const std::shared_ptr<PythonNode> held = weak.lock();
    RUSHLIGHT_CHECK(held != nullptr, "saved_tensors: the graph that held them is gone");
    return held->unpack();
  });
  return py::make_tuple(outputs, unpack);
}

}  // namespace

void bind_function(py::module_& m) {
  m.def(
      "_record_function",
      [](std::string name, std::vector<Tensor> inputs, std::vector<Tensor> outputs, std::vector<Tensor> dirty,
         std::vector<Tensor> non_differentiable, std::vector<std::optional<Tensor>> saved, bool materialize,
         py::function backward) {
        return record_function({std::move(name), std::move(inputs), std::move(outputs), std::move(dirty),
                                std::move(non_differentiable), std::move(saved), materialize},
                               std::move(backward));
      },
      py::arg("name"), py::arg("inputs"), py::arg("outputs"), py::arg("dirty"), py::arg("non_differentiable"),
      py::arg("saved"), py::arg("materialize"), py::arg("backward"),
      "Records one call of an autograd.Function; see rushlight/autograd/function.py.");
}

}  // namespace rushlight::bindings

// Autograd's face: flags of tensors, nodes, hooks, the engine.
#include <pybind11/functional.h>

#include "bind.h"
#include "python_object.h"
#include "rushlight/autograd/engine.h"
#include "rushlight/autograd/grad_meta.h"
#include "rushlight/autograd/grad_mode.h"
#include "rushlight/autograd/record.h"

namespace rushlight::bindings {

using autograd::Edge;
using autograd::Grads;
using autograd::Node;

py::tuple to_tuple(const Grads& grads) {
  py::tuple result(grads.size());
  for (size_t i = 0; i < grads.size(); ++i) result[i] = py::cast(grads[i]);
  return result;
}

Grads to_grads(const py::handle& values) {
  Grads grads;
  for (const py::handle value : py::reinterpret_borrow<py::sequence>(values))
    grads.push_back(value.is_none() ? Tensor() : py::cast<Tensor>(value));
  return grads;
}

namespace {

autograd::TensorHook tensor_hook(py::function hook) {
  return [held = share(std::move(hook))](const Tensor& grad) -> Tensor {
    const py::gil_scoped_acquire gil;
    const py::object result = (*held)(grad);
    if (result.is_none()) return {};
    RUSHLIGHT_CHECK_TYPE(py::isinstance<TensorImpl>(result), "a hook must return a Tensor or None, got ",
                         std::string(py::repr(py::type::of(result))));
    return py::cast<Tensor>(result);
  };
}

// `pre`: the hook sees the gradients of the results only.
autograd::NodeHook node_hook(py::function hook, bool pre) {
  return [held = share(std::move(hook)), pre](const Grads& first, const Grads& second) -> Grads {
    const py::gil_scoped_acquire gil;
    const py::object result = pre ? (*held)(to_tuple(first)) : (*held)(to_tuple(first), to_tuple(second));
    if (result.is_none()) return {};
    if (py::isinstance<TensorImpl>(result)) return {py::cast<Tensor>(result)};
    Grads replaced = to_grads(result);
    RUSHLIGHT_CHECK(replaced.size() == first.size(), "hook has returned an incorrect number of values (got ",
                    replaced.size(), ", but expected ", first.size(), ")");
    return replaced;
  };
}

std::vector<Tensor> run_backward(const std::vector<Tensor>& tensors,
                                 const std::vector<std::optional<Tensor>>& grads, bool retain_graph,
                                 bool create_graph, const std::optional<std::vector<Tensor>>& inputs,
                                 bool accumulate) {
  std::vector<Tensor> start;
  for (const auto& grad : grads) start.push_back(grad.value_or(Tensor()));
  const py::gil_scoped_release release;
  return autograd::run_backward(tensors, start, {retain_graph, create_graph, accumulate},
                                inputs.has_value() ? &*inputs : nullptr);
}

void bind_node(py::module_& m) {
  py::class_<Node, std::shared_ptr<Node>>(m, "Node", py::dynamic_attr(), "A differentiable op in the graph.")
      .def("name", &Node::name, "PyTorch's name, for example 'MulBackward0'.")
      .def("__repr__",
           [](py::object self) {
             return py::str("<{} object at {}>")
                 .format(py::cast<Node&>(self).name(),
                         py::str("0x{:x}").format(py::int_(reinterpret_cast<uintptr_t>(self.ptr()))));
           })
      .def_property_readonly(
          "next_functions",
          [](const Node& self) {
            py::tuple result(self.next.size());
            for (size_t i = 0; i < self.next.size(); ++i)
              result[i] = py::make_tuple(self.next[i].node, self.next[i].output);
            return result;
          },
          "((node, number of its result), ...), one for each input; (None, 0) for inputs without gradient.")
      .def_property_readonly(
          "_source", [](const Node& self) { return self.source().describe(); },
          "The user's line that ran the op.")
      .def("_sequence_nr", &Node::sequence)
      .def(
          "_saved", [](Node& self, size_t i) { return self.saved(i); }, py::arg("i"))
      .def_property_readonly(
          "variable",
          [](Node& self) {
            auto* leaf = dynamic_cast<autograd::AccumulateGrad*>(&self);
            if (leaf == nullptr)
              throw py::attribute_error(str("'", self.name(), "' object has no attribute 'variable'"));
            return leaf->variable();
          },
          "The leaf an AccumulateGrad adds to.")
      .def("_add_prehook",
           [](Node& self, py::function hook) {
             const int64_t id = autograd::next_hook_id();
             self.hooks().pre.push_back({id, 0, {}, node_hook(std::move(hook), true)});
             return id;
           })
      .def("_add_hook",
           [](Node& self, py::function hook) {
             const int64_t id = autograd::next_hook_id();
             self.hooks().post.push_back({id, 0, {}, node_hook(std::move(hook), false)});
             return id;
           })
      .def("_remove_hook", [](Node& self, int64_t id) {
        if (auto* hooks = self.find_hooks()) autograd::remove_hook(*hooks, id);
      });
}

bool retains_grad(const Tensor& self) {
  return self.impl()->grad != nullptr && self.impl()->grad->retains_grad;
}

// Backward fills .grad of leaves only: whoever reads it elsewhere is probably mistaken, and is told.
Tensor read_grad(const Tensor& self) {
  Tensor grad = autograd::grad_of(self);
  if (grad.defined() || !self.requires_grad() || retains_grad(self) || autograd::is_leaf(self)) return grad;
  const std::string text =
      str("The .grad attribute of a Tensor that is not a leaf Tensor is being accessed (shape ",
          to_string(self.sizes()), ", made by ", autograd::grad_fn(self)->name(),
          "). Its .grad attribute won't be populated during autograd.backward(). If you want the .grad field "
          "of a non-leaf Tensor to be populated, use .retain_grad() on it");
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) != 0) throw py::error_already_set();
  return grad;
}

void bind_flags(TensorClass& c) {
  c.def_property(
       "requires_grad", [](const Tensor& self) { return self.requires_grad(); }, &autograd::set_requires_grad,
       "Gradients of this tensor are wanted (leaves), or it was computed from such.")
      .def(
          "requires_grad_",
          [](const Tensor& self, bool requires_grad) {
            autograd::set_requires_grad(self, requires_grad);
            return self;
          },
          py::arg("requires_grad") = true, "Sets requires_grad in place.")
      .def_property_readonly("is_leaf", &autograd::is_leaf, "Made by the user, not by a recorded op.")
      .def_property_readonly("grad_fn", &autograd::grad_fn, "The node that made it; None for leaves.")
      .def_property(
          "grad", &read_grad,
          [](const Tensor& self, std::optional<Tensor> grad) {
            autograd::set_grad(self, grad.value_or(Tensor()));
          },
          "The gradient accumulated by backward; None before.")
      .def_property_readonly("output_nr",
                             [](const Tensor& self) { return autograd::gradient_edge(self).output; })
      .def_property_readonly(
          "_version", [](const Tensor& self) { return self.storage().version(); },
          "Number of in-place changes of the memory.")
      .def("_is_view", [](const Tensor& self) { return self.impl()->view_base != nullptr; })
      .def_property_readonly("_base", [](const Tensor& self) { return Tensor(self.impl()->view_base); })
      .def(
          "is_inference", [](const Tensor& self) { return self.impl()->inference; },
          "Made in inference mode.")
      .def(
          "detach", [](const Tensor& self) { return autograd::detach(self); },
          "The same memory outside the graph.")
      .def(
          "detach_",
          [](const Tensor& self) {
            RUSHLIGHT_CHECK(self.impl()->view_base == nullptr,
                            "Can't detach views in-place. Use detach() instead.");
            if (self.impl()->grad != nullptr) {
              self.impl()->grad->grad_fn = nullptr;
              self.impl()->grad->requires_grad = false;
            }
            return self;
          },
          "Takes this tensor out of the graph, in place.")
      .def("retain_grad", &autograd::retain_grad, "Keeps the gradient of a non-leaf in .grad.")
      .def_property_readonly(
          "retains_grad", [](const Tensor& self) { return retains_grad(self) && !autograd::is_leaf(self); })
      .def("_add_hook",
           [](const Tensor& self, py::function hook) {
             return autograd::register_hook(self, tensor_hook(std::move(hook)));
           })
      .def(
          "_hook_owner", [](const Tensor& self) { return autograd::gradient_edge(self).node; },
          "The node whose hooks are this tensor's.");
}

}  // namespace

void bind_autograd(py::module_& m, TensorClass& tensor) {
  bind_node(m);
  bind_flags(tensor);
  m.def("is_grad_enabled", [] { return autograd::grad_enabled(); }, "Ops on this thread are recorded.");
  m.def("_set_grad_enabled", [](bool enabled) { autograd::grad_enabled() = enabled; }, py::arg("enabled"));
  m.def("is_inference_mode_enabled", [] { return inference_mode(); }, "Inference mode is on in this thread.");
  m.def("_set_inference_mode", [](bool enabled) { inference_mode() = enabled; }, py::arg("enabled"));
  m.def("_is_anomaly_enabled", &autograd::anomaly_enabled);
  m.def("_set_anomaly_enabled", &autograd::set_anomaly_enabled, py::arg("enabled"));
  m.def("_run_backward", &run_backward, py::arg("tensors"), py::arg("grads"), py::arg("retain_graph"),
        py::arg("create_graph"), py::arg("inputs"), py::arg("accumulate"),
        "The engine; see autograd.backward and autograd.grad.");
  m.def("_mark_view", &autograd::mark_view, py::arg("view"), py::arg("base"));
}

}  // namespace rushlight::bindings

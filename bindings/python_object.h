// Python objects that the graph holds.
#pragma once

#include <memory>

#include "casters.h"
#include "rushlight/autograd/node.h"

namespace rushlight::bindings {

// May be copied and dropped without the GIL.
using SharedObject = std::shared_ptr<py::object>;

inline SharedObject share(py::object object) {
  return {new py::object(std::move(object)), [](py::object* held) {
            if (Py_IsInitialized() == 0) return;  // the interpreter is gone, and the object with it
            const py::gil_scoped_acquire gil;
            delete held;
          }};
}

// Undefined gradients are None.
py::tuple to_tuple(const autograd::Grads& grads);
autograd::Grads to_grads(const py::handle& values);

}  // namespace rushlight::bindings

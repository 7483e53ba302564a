#include "autocast.h"

#include "bind.h"
#include "rushlight/ops/matmul.h"

namespace rushlight::bindings {

AutocastState& autocast_state() {
  static thread_local AutocastState state;
  return state;
}

void bind_autocast(py::module_& m) {
  m.def(
      "_autocast_state", [] { return py::make_tuple(autocast_state().enabled, autocast_state().dtype); },
      "Whether autocast is on in this thread, and its type.");
  m.def(
      "_set_autocast_state", [](bool enabled, DType dtype) { autocast_state() = {enabled, dtype}; },
      py::arg("enabled"), py::arg("dtype"), "Sets both for this thread.");
  m.def("_has_bfloat16_units", &ops::has_bfloat16_units,
        "Whether products in bfloat16 are computed as such, at the level in use.");
  m.def(
      "_autocast",
      [](const Tensor& tensor, bool lower) {
        if (!autocast_state().enabled) return tensor;
        return cast_argument(tensor, lower ? autocast_state().dtype : DType::Float32);
      },
      py::arg("tensor"), py::kw_only(), py::arg("lower"),
      "The tensor in autocast's type or in float32, for ops of its lists that are written in Python.");
}

}  // namespace rushlight::bindings

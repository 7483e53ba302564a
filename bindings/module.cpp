#include "argument_error.h"
#include "bind.h"

PYBIND11_MODULE(_core, m) {
  using namespace rushlight::bindings;
  py::options options;
  options.disable_function_signatures();  // the stubs carry the types
  m.doc() = "The compiled engine of rushlight.";
  m.attr("__version__") = RUSHLIGHT_VERSION;
  bind_runtime(m);
  bind_config(m);
  bind_profiler(m);
  bind_dtype(m);
  bind_autocast(m);
  Binder b{m.def_submodule("ops", "Every op, as a function."), bind_tensor(m)};
  bind_autograd(m, b.tensor);
  bind_function(m);
  bind_interop(m, b.tensor);
  bind_construct(m, b.tensor);
  bind_dlpack(m, b.tensor);
  bind_copy(b);
  bind_view(b);
  bind_join(b);
  bind_indexing(b);
  bind_arithmetic(b);
  bind_matmul(b);
  bind_conv(m, b);
  bind_pointwise(b);
  bind_creation(b);
  bind_random(m, b);
  bind_reduce(b);
  bind_gather(b);
  bind_loss(b);
  bind_nn(b);
  explain_arguments(m);
  explain_arguments(b.ops);
  explain_arguments(b.tensor);
}

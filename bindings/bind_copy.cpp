#include "bind.h"
#include "rushlight/ops/copy.h"

namespace rushlight::bindings {

void bind_copy(Binder& b) {
  b.both("clone", &ops::clone,
         "A copy with the same values; gradients flow through.\n\n"
         "Shapes:\n    any -> the same\n\nRaises:\n    nothing");
  b.method("contiguous", &ops::contiguous,
           "Itself if its elements lie in row-major order, else a copy in that order.");
  b.method("copy_", &ops::copy_, py::arg("src"),
           "Writes src, broadcast and converted, into this tensor.\n\n"
           "Raises:\n    RuntimeError: if src does not broadcast to this shape.");
  b.method("is_contiguous", member<&Tensor::is_contiguous>, "Elements lie in row-major order.");
  b.method("_to_dtype", &ops::to, py::arg("dtype"), py::arg("copy") = false);
}

}  // namespace rushlight::bindings

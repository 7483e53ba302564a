#include "bind.h"
#include "rushlight/ops/view.h"

namespace rushlight::bindings {

void bind_view(Binder& b) {
  b.method(
      "view", [](const Tensor& self, const py::args& sizes) { return ops::view(self, sizes_from_args(sizes, "view")); },
      "The same memory under another shape; one size may be -1.\n\n"
      "Raises:\n    RuntimeError: if the shape does not fit, or needs a copy (use reshape).");
  b.method("reshape",
           [](const Tensor& self, const py::args& sizes) { return ops::reshape(self, sizes_from_args(sizes, "reshape")); },
           "The values under another shape; a view where possible, else a copy.");
  b.function("reshape", &ops::reshape, py::arg("input"), py::arg("shape"),
             "The values under another shape; a view where possible, else a copy.");
  b.both("flatten", &ops::flatten, py::arg("start_dim") = 0, py::arg("end_dim") = -1,
         "Joins the dimensions start_dim .. end_dim into one.");
  b.both("unflatten", &ops::unflatten, py::arg("dim"), py::arg("sizes"),
         "Splits one dimension into several.");
  b.method("permute",
           [](const Tensor& self, const py::args& dims) { return ops::permute(self, sizes_from_args(dims, "permute")); },
           "Reorders the dimensions.");
  b.function("permute", &ops::permute, py::arg("input"), py::arg("dims"), "Reorders the dimensions.");
  b.both("transpose", &ops::transpose, py::arg("dim0"), py::arg("dim1"), "Swaps two dimensions.");
  b.both("swapaxes", &ops::transpose, py::arg("axis0"), py::arg("axis1"), "Swaps two dimensions.");
  b.both("swapdims", &ops::transpose, py::arg("dim0"), py::arg("dim1"), "Swaps two dimensions.");
  b.both("t", &ops::t, "Transposes a matrix; a vector or number is returned as it is.");
  const auto movedim = [](const Tensor& input, const IntList& source, const IntList& destination) {
    return ops::movedim(input, source, destination);
  };
  b.both("movedim", movedim, py::arg("source"), py::arg("destination"), "Moves dimensions to new places.");
  b.both("moveaxis", movedim, py::arg("source"), py::arg("destination"), "Moves dimensions to new places.");
  b.both(
      "squeeze",
      [](const Tensor& input, const std::optional<IntList>& dim) {
        return dim.has_value() ? ops::squeeze(input, dim->values) : ops::squeeze(input);
      },
      py::arg("dim") = py::none(), "Removes dimensions of size 1: all, or those named.");
  b.both("unsqueeze", &ops::unsqueeze, py::arg("dim"), "Inserts a dimension of size 1.");
  b.method("expand",
           [](const Tensor& self, const py::args& sizes) { return ops::expand(self, sizes_from_args(sizes, "expand")); },
           "Repeats dimensions of size 1 without a copy; -1 keeps a size.");
  b.both("broadcast_to", &ops::broadcast_to, py::arg("size"), "Broadcasts to a shape without a copy.");
  b.both("select", &ops::select, py::arg("dim"), py::arg("index"), "One slice along dim; the dimension goes.");
  b.both("narrow", &ops::narrow, py::arg("dim"), py::arg("start"), py::arg("length"),
         "The elements start .. start + length along dim.");
  b.both("diagonal", &ops::diagonal, py::arg("offset") = 0, py::arg("dim1") = 0, py::arg("dim2") = 1,
         "The diagonal of two dimensions, as the last dimension.");
  b.both(
      "as_strided",
      [](const Tensor& input, const IntList& size, const IntList& stride, std::optional<int64_t> offset) {
        return ops::as_strided(input, size, stride, offset.value_or(input.offset()));
      },
      py::arg("size"), py::arg("stride"), py::arg("storage_offset") = py::none(),
      "A view of the storage with the given geometry, in elements.");
  b.both("unbind", &ops::unbind, py::arg("dim") = 0, "All slices along dim.");
  b.method("sum_to_size",
           [](const Tensor& self, const py::args& sizes) {
             return ops::sum_to_size(self, sizes_from_args(sizes, "sum_to_size"));
           },
           "Sums until the shape is `size`: the adjoint of expand.");
}

}  // namespace rushlight::bindings

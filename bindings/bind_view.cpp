#include "bind.h"
#include "rushlight/ops/view.h"

namespace rushlight::bindings {

void bind_view(Binder& b) {
  b.method(
      "view",
      [](const Tensor& self, const py::args& sizes) {
        return ops::view(self, sizes_from_args(sizes, "view"));
      },
      "The same memory under another shape; one size may be -1.\n\n"
      "Raises:\n    RuntimeError: if the shape does not fit, or needs a copy (use reshape).");
  b.method(
      "reshape",
      [](const Tensor& self, const py::args& sizes) {
        return ops::reshape(self, sizes_from_args(sizes, "reshape"));
      },
      "The values under another shape; a view where possible, else a copy.");
  b.function("reshape", &ops::reshape, py::arg("input"), py::arg("shape"),
             "The values under another shape; a view where possible, else a copy.\n\n"
             "Shapes:\n    any -> shape, where one size may be -1\n\n"
             "Raises:\n    RuntimeError: if the number of elements differs.");
  b.both("flatten", &ops::flatten, py::arg("start_dim") = 0, py::arg("end_dim") = -1,
         "Joins the dimensions start_dim .. end_dim into one.\n\n"
         "Shapes:\n    (..., a, b, ...) -> (..., a * b, ...); a 0-d tensor becomes (1,)\n\n"
         "Raises:\n    IndexError: if a dimension is out of range.\n    RuntimeError: if start_dim comes "
         "after end_dim.");
  b.both("unflatten", &ops::unflatten, py::arg("dim"), py::arg("sizes"),
         "Splits one dimension into several.\n\n"
         "Shapes:\n    (..., n, ...) -> (..., *sizes, ...), where one size may be -1\n\n"
         "Raises:\n    IndexError: if dim is out of range.\n    RuntimeError: if the product of sizes is not "
         "n.");
  b.method(
      "permute",
      [](const Tensor& self, const py::args& dims) {
        return ops::permute(self, sizes_from_args(dims, "permute"));
      },
      "Reorders the dimensions.");
  b.function("permute", &ops::permute, py::arg("input"), py::arg("dims"),
             "Reorders the dimensions.\n\n"
             "Shapes:\n    (n_0, ..., n_k) -> (n_dims[0], ..., n_dims[k])\n\n"
             "Raises:\n    RuntimeError: unless dims names every dimension once.\n    IndexError: if a "
             "dimension is out of range.");
  b.both("transpose", &ops::transpose, py::arg("dim0"), py::arg("dim1"),
         "Swaps two dimensions.\n\n"
         "Shapes:\n    (..., a, ..., b, ...) -> (..., b, ..., a, ...)\n\n"
         "Raises:\n    IndexError: if a dimension is out of range.");
  b.both("swapaxes", &ops::transpose, py::arg("axis0"), py::arg("axis1"),
         "Swaps two dimensions.\n\n"
         "Shapes:\n    (..., a, ..., b, ...) -> (..., b, ..., a, ...)\n\n"
         "Raises:\n    IndexError: if a dimension is out of range.");
  b.both("swapdims", &ops::transpose, py::arg("dim0"), py::arg("dim1"),
         "Swaps two dimensions.\n\n"
         "Shapes:\n    (..., a, ..., b, ...) -> (..., b, ..., a, ...)\n\n"
         "Raises:\n    IndexError: if a dimension is out of range.");
  b.both("t", &ops::t,
         "Transposes a matrix; a vector or number is returned as it is.\n\n"
         "Shapes:\n    (n, m) -> (m, n); (n,) and () stay\n\n"
         "Raises:\n    RuntimeError: if there are more than two dimensions.");
  const auto movedim = [](const Tensor& input, const IntList& source, const IntList& destination) {
    return ops::movedim(input, source, destination);
  };
  b.both("movedim", movedim, py::arg("source"), py::arg("destination"),
         "Moves dimensions to new places.\n\n"
         "Shapes:\n    the same sizes in another order\n\n"
         "Raises:\n    IndexError: if a dimension is out of range.\n    RuntimeError: if source and "
         "destination differ in length or repeat a dimension.");
  b.both("moveaxis", movedim, py::arg("source"), py::arg("destination"),
         "Moves dimensions to new places.\n\n"
         "Shapes:\n    the same sizes in another order\n\n"
         "Raises:\n    IndexError: if a dimension is out of range.\n    RuntimeError: if source and "
         "destination differ in length or repeat a dimension.");
  b.both(
      "squeeze",
      [](const Tensor& input, const std::optional<IntList>& dim) {
        return dim.has_value() ? ops::squeeze(input, dim->values) : ops::squeeze(input);
      },
      py::arg("dim") = py::none(),
      "Removes dimensions of size 1: all, or those named.\n\n"
      "Shapes:\n    (..., 1, ...) -> (..., ...)\n\n"
      "Raises:\n    IndexError: if a dimension is out of range.");
  b.both("unsqueeze", &ops::unsqueeze, py::arg("dim"),
         "Inserts a dimension of size 1.\n\n"
         "Shapes:\n    (..., ...) -> (..., 1, ...)\n\n"
         "Raises:\n    IndexError: if dim is not in [-ndim - 1, ndim].");
  b.method(
      "expand",
      [](const Tensor& self, const py::args& sizes) {
        return ops::expand(self, sizes_from_args(sizes, "expand"));
      },
      "Repeats dimensions of size 1 without a copy; -1 keeps a size.");
  b.both("broadcast_to", &ops::broadcast_to, py::arg("size"),
         "Broadcasts to a shape without a copy.\n\n"
         "Shapes:\n    sizes of 1 become those of size; dimensions may be added in front\n\n"
         "Raises:\n    RuntimeError: if the shape does not broadcast to size.");
  b.both("select", &ops::select, py::arg("dim"), py::arg("index"),
         "One slice along dim; the dimension goes.\n\n"
         "Shapes:\n    (..., n, ...) -> (..., ...)\n\n"
         "Raises:\n    IndexError: if dim or index is out of range.");
  b.both("narrow", &ops::narrow, py::arg("dim"), py::arg("start"), py::arg("length"),
         "The elements start .. start + length along dim; a negative start counts from the end.\n\n"
         "Shapes:\n    (..., n, ...) -> (..., length, ...)\n\n"
         "Raises:\n    IndexError: if dim is out of range, or start is not in [-n, n].\n"
         "    RuntimeError: if length is negative or start + length exceeds n.");
  b.both("diagonal", &ops::diagonal, py::arg("offset") = 0, py::arg("dim1") = 0, py::arg("dim2") = 1,
         "The diagonal of two dimensions, as the last dimension.\n\n"
         "Shapes:\n    (..., n, ..., m, ...) -> (..., ..., d), d the length of the diagonal\n\n"
         "Raises:\n    IndexError: if a dimension is out of range.\n    RuntimeError: if dim1 and dim2 are "
         "the same.");
  b.both(
      "as_strided",
      [](const Tensor& input, const IntList& size, const IntList& stride, std::optional<int64_t> offset) {
        return ops::as_strided(input, size, stride, offset.value_or(input.offset()));
      },
      py::arg("size"), py::arg("stride"), py::arg("storage_offset") = py::none(),
      "A view of the storage with the given geometry, in elements.\n\n"
      "Shapes:\n    any -> size\n\n"
      "Raises:\n    RuntimeError: if size and stride differ in length, or the view would leave the storage.");
  b.method("unfold", &ops::unfold, py::arg("dimension"), py::arg("size"), py::arg("step"),
           "Windows of `size` elements, `step` apart, as a new last dimension.\n\n"
           "Shapes:\n    (..., n, ...) -> (..., (n - size) // step + 1, ..., size)\n\n"
           "Raises:\n    RuntimeError: if size exceeds the dimension or step is not positive.");
  b.method(
      "sum_to_size",
      [](const Tensor& self, const py::args& sizes) {
        return ops::sum_to_size(self, sizes_from_args(sizes, "sum_to_size"));
      },
      "Sums until the shape is `size`: the adjoint of expand.");
  b.both(
      "ravel", [](const Tensor& input) { return ops::flatten(input, 0, -1); },
      "All elements as one dimension; a view where possible.\n\n"
      "Shapes:\n    (...) -> (n,)\n\n"
      "Raises:\n    nothing");
  b.method(
      "view_as", [](const Tensor& self, const Tensor& other) { return ops::view(self, other.sizes()); },
      py::arg("other"), "view() with the shape of another tensor.");
  b.method(
      "reshape_as", [](const Tensor& self, const Tensor& other) { return ops::reshape(self, other.sizes()); },
      py::arg("other"), "reshape() with the shape of another tensor.");
  b.method(
      "expand_as", [](const Tensor& self, const Tensor& other) { return ops::expand(self, other.sizes()); },
      py::arg("other"), "expand() with the shape of another tensor.");
  b.tensor.def_property_readonly(
      "T",
      [](const Tensor& self) {
        Dims reversed;
        for (int64_t d = self.dim(); d-- > 0;) reversed.push_back(d);
        return ops::permute(self, reversed);
      },
      "All dimensions in reverse order.");
  b.tensor.def_property_readonly(
      "mT", [](const Tensor& self) { return ops::transpose(self, -2, -1); },
      "The last two dimensions swapped.");
}

}  // namespace rushlight::bindings

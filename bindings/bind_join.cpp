#include <variant>

#include "bind.h"
#include "rushlight/ops/join.h"
#include "rushlight/ops/rearrange.h"
#include "rushlight/ops/view.h"

namespace rushlight::bindings {
namespace {

py::tuple as_tuple(const std::vector<Tensor>& parts) {
  py::tuple result(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) result[i] = py::cast(parts[i]);
  return result;
}

py::tuple split(const Tensor& input, const std::variant<int64_t, std::vector<int64_t>>& lengths,
                int64_t dim) {
  if (const auto* length = std::get_if<int64_t>(&lengths)) return as_tuple(ops::split(input, *length, dim));
  return as_tuple(ops::split(input, std::get<std::vector<int64_t>>(lengths), dim));
}

void bind_rearranging(Binder& b) {
  b.function(
      "flip", [](const Tensor& input, const IntList& dims) { return ops::flip(input, dims); },
      py::arg("input"), py::arg("dims"),
      "Reverses the order of elements along dims.\n\n"
      "Shapes:\n    (...) -> the same\n\n"
      "Raises:\n    RuntimeError: if a dimension is named twice.\n    IndexError: if one is out of range.");
  b.method(
      "flip",
      [](const Tensor& self, const py::args& dims) { return ops::flip(self, sizes_from_args(dims, "flip")); },
      "Reverses the order of elements along dims.\n\n"
      "Shapes:\n    (...) -> the same\n\n"
      "Raises:\n    RuntimeError: if a dimension is named twice.\n    IndexError: if one is out of range.");
  b.both(
      "fliplr", [](const Tensor& input) { return ops::flip(input, {1}); },
      "Reverses dimension 1.\n\n"
      "Shapes:\n    (m, n, ...) -> the same\n\n"
      "Raises:\n    IndexError: for fewer than 2 dimensions.");
  b.both(
      "flipud", [](const Tensor& input) { return ops::flip(input, {0}); },
      "Reverses dimension 0.\n\n"
      "Shapes:\n    (n, ...) -> the same\n\n"
      "Raises:\n    IndexError: for a 0-d tensor.");
  b.both(
      "roll",
      [](const Tensor& input, const IntList& shifts, const std::optional<IntList>& dims) {
        return ops::roll(input, shifts, dims.has_value() ? dims->values : Dims());
      },
      py::arg("shifts"), py::arg("dims") = py::none(),
      "Moves elements along dims, those that leave coming back in.\n\n"
      "Shapes:\n    (...) -> the same; without dims the flattened tensor is rolled\n\n"
      "Raises:\n    RuntimeError: if shifts and dims differ in number.");
  b.method(
      "repeat",
      [](const Tensor& self, const py::args& repeats) {
        return ops::repeat(self, sizes_from_args(repeats, "repeat"));
      },
      "Copies the tensor `repeats` times along each dimension.\n\n"
      "Shapes:\n    (..., n) -> (..., repeats[-1] * n)\n\n"
      "Raises:\n    RuntimeError: for fewer repeats than dimensions, or negative ones.");
  b.function(
      "tile", [](const Tensor& input, const IntList& dims) { return ops::tile(input, dims); },
      py::arg("input"), py::arg("dims"),
      "Copies the tensor `dims` times, filling missing dimensions with 1.\n\n"
      "Shapes:\n    (..., n) -> (..., dims[-1] * n)\n\n"
      "Raises:\n    RuntimeError: for negative repeats.");
  b.method(
      "tile",
      [](const Tensor& self, const py::args& dims) { return ops::tile(self, sizes_from_args(dims, "tile")); },
      "Copies the tensor `dims` times, filling missing dimensions with 1.\n\n"
      "Shapes:\n    (..., n) -> (..., dims[-1] * n)\n\n"
      "Raises:\n    RuntimeError: for negative repeats.");
  b.both(
      "repeat_interleave",
      [](const Tensor& input, const std::variant<int64_t, Tensor>& repeats, std::optional<int64_t> dim) {
        if (const auto* count = std::get_if<int64_t>(&repeats))
          return ops::repeat_interleave(input, *count, dim);
        return ops::repeat_interleave(input, std::get<Tensor>(repeats), dim);
      },
      py::arg("repeats"), py::arg("dim") = py::none(),
      "Every element several times in a row.\n\n"
      "Shapes:\n    (..., n, ...) -> (..., sum of repeats, ...)\n\n"
      "Raises:\n    RuntimeError: for negative repeats, or a number of them that does not fit.");
  b.function(
      "pad",
      [](const Tensor& input, const Dims& padding, const std::string& mode, std::optional<double> value) {
        RUSHLIGHT_CHECK_VALUE(mode == "constant" || value.value_or(0) == 0, "Padding mode \"", mode,
                              "\" doesn't take in value argument, got ", *value);
        return ops::pad(input, padding, mode, value.value_or(0));
      },
      py::arg("input"), py::arg("pad"), py::arg("mode") = "constant", py::arg("value") = py::none(),
      "Pads (left, right) pairs from the last dimension on; negative amounts crop.\n\n"
      "Shapes:\n    (..., n) -> (..., left + n + right)\n\n"
      "Args:\n    mode: constant, reflect, replicate or circular.\n\n"
      "Raises:\n    RuntimeError: if the padding does not fit the input.\n    ValueError: for a value in "
      "another mode than constant.");
}

}  // namespace

void bind_join(Binder& b) {
  for (const char* name : {"cat", "concat", "concatenate"})
    b.function(name, &ops::cat, py::arg("tensors"), py::arg("dim") = 0,
               "Joins tensors along an existing dimension.\n\n"
               "Shapes:\n    (..., n_i, ...) each -> (..., sum of n_i, ...)\n\n"
               "Raises:\n    RuntimeError: for an empty list, 0-d tensors, or other sizes that differ.");
  b.function("stack", &ops::stack, py::arg("tensors"), py::arg("dim") = 0,
             "Joins tensors along a new dimension.\n\n"
             "Shapes:\n    k times (...) -> (..., k, ...)\n\n"
             "Raises:\n    RuntimeError: for an empty list or shapes that differ.");
  b.function(
      "hstack",
      [](const std::vector<Tensor>& tensors) {
        std::vector<Tensor> columns;
        for (const Tensor& tensor : tensors)
          columns.push_back(tensor.dim() == 0 ? ops::reshape(tensor, {1}) : tensor);
        return ops::cat(columns, !columns.empty() && columns[0].dim() > 1 ? 1 : 0);
      },
      py::arg("tensors"),
      "Joins tensors column-wise (vectors end to end).\n\n"
      "Shapes:\n    (n_i,) -> (sum,), (m, n_i, ...) -> (m, sum, ...)\n\n"
      "Raises:\n    RuntimeError: for an empty list or shapes that do not fit.");
  b.function(
      "vstack",
      [](const std::vector<Tensor>& tensors) {
        std::vector<Tensor> rows;
        for (const Tensor& tensor : tensors)
          rows.push_back(tensor.dim() < 2 ? ops::reshape(tensor, {1, -1}) : tensor);
        return ops::cat(rows, 0);
      },
      py::arg("tensors"),
      "Joins tensors row-wise.\n\n"
      "Shapes:\n    (n,) or (m_i, n, ...) -> (sum, n, ...)\n\n"
      "Raises:\n    RuntimeError: for an empty list or shapes that do not fit.");
  b.function("split", &split, py::arg("tensor"), py::arg("split_size_or_sections"), py::arg("dim") = 0,
             "Views of a length each, or of the lengths given.\n\n"
             "Shapes:\n    (..., n, ...) -> (..., length, ...) each\n\n"
             "Raises:\n    RuntimeError: for negative lengths, or lengths that do not sum to n.");
  b.method("split", &split, py::arg("split_size"), py::arg("dim") = 0,
           "Views of a length each, or of the lengths given.\n\n"
           "Shapes:\n    (..., n, ...) -> (..., length, ...) each\n\n"
           "Raises:\n    RuntimeError: for negative lengths, or lengths that do not sum to n.");
  b.both(
      "split_with_sizes",
      [](const Tensor& input, const std::vector<int64_t>& sizes, int64_t dim) {
        return as_tuple(ops::split(input, sizes, dim));
      },
      py::arg("split_sizes"), py::arg("dim") = 0,
      "Views of the lengths given.\n\n"
      "Shapes:\n    (..., n, ...) -> (..., length, ...) each\n\n"
      "Raises:\n    RuntimeError: for negative lengths, or lengths that do not sum to n.");
  b.both(
      "chunk",
      [](const Tensor& input, int64_t chunks, int64_t dim) {
        return as_tuple(ops::chunk(input, chunks, dim));
      },
      py::arg("chunks"), py::arg("dim") = 0,
      "At most `chunks` views of equal length (the last may be shorter).\n\n"
      "Shapes:\n    (..., n, ...) -> (..., ceil(n / chunks), ...) each\n\n"
      "Raises:\n    RuntimeError: unless chunks is positive.");
  b.both(
      "tensor_split",
      [](const Tensor& input, const std::variant<int64_t, Dims>& sections, int64_t dim) {
        if (const auto* count = std::get_if<int64_t>(&sections))
          return as_tuple(ops::tensor_split(input, *count, dim));
        return as_tuple(ops::tensor_split(input, std::get<Dims>(sections), dim));
      },
      py::arg("indices_or_sections"), py::arg("dim") = 0,
      "Exactly n views, or views between positions.\n\n"
      "Shapes:\n    (..., n, ...) -> (..., part, ...) each\n\n"
      "Raises:\n    RuntimeError: unless the number of sections is positive.");
  b.both(
      "unbind", [](const Tensor& input, int64_t dim) { return as_tuple(ops::unbind(input, dim)); },
      py::arg("dim") = 0,
      "All slices along dim.\n\n"
      "Shapes:\n    (..., n, ...) -> n tensors of (..., ...)\n\n"
      "Raises:\n    IndexError: if dim is out of range or the tensor is 0-d.");
  bind_rearranging(b);
}

}  // namespace rushlight::bindings

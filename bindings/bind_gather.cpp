#include "bind.h"
#include "return_types.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/gather.h"
#include "rushlight/ops/sort.h"

namespace rushlight::bindings {
namespace {

void bind_scatter(Binder& b) {
  const char* const doc =
      "Writes src (or one value) to the places that index names along dim: out[index[i][j]][j] = src[i][j] "
      "for dim 0.\n"
      "With duplicates the last one in row-major order wins.\n\n"
      "Shapes:\n    index: as many dimensions as input, no larger than input apart from dim, no larger than "
      "src.\n\n"
      "Raises:\n    RuntimeError: for shapes that do not fit, other dtypes, or an index out of range.";
  const auto of_number = [](const Tensor& input, const Operand& value) {
    Tensor converted = ops::to(value.tensor, input.dtype(), true);
    converted.impl()->wrapped_number = true;  // tells a value from a src
    return converted;
  };
  b.both("scatter", &ops::scatter, py::arg("dim"), py::arg("index"), py::arg("src"), doc);
  b.both(
      "scatter",
      [of_number](const Tensor& input, int64_t dim, const Tensor& index, const Operand& value) {
        return ops::scatter(input, dim, index, of_number(input, value));
      },
      py::arg("dim"), py::arg("index"), py::arg("value"), doc);
  b.method("scatter_", &ops::scatter_, py::arg("dim"), py::arg("index"), py::arg("src"), doc);
  b.method(
      "scatter_",
      [of_number](const Tensor& self, int64_t dim, const Tensor& index, const Operand& value) {
        return ops::scatter_(self, dim, index, of_number(self, value));
      },
      py::arg("dim"), py::arg("index"), py::arg("value"), doc);
  const char* const add_doc =
      "Adds src to the places that index names along dim, in row-major order: the result does not depend on "
      "threads.\n\n"
      "Shapes:\n    index: as many dimensions as input, no larger than input apart from dim, no larger than "
      "src.\n\n"
      "Raises:\n    RuntimeError: for shapes that do not fit, other dtypes, or an index out of range.";
  b.both("scatter_add", &ops::scatter_add, py::arg("dim"), py::arg("index"), py::arg("src"), add_doc);
  b.method("scatter_add_", &ops::scatter_add_, py::arg("dim"), py::arg("index"), py::arg("src"), add_doc);
}

void bind_sort(Binder& b) {
  const char* const doc =
      "Sorts along dim; NaN counts as the largest value and equal elements keep their order.\n\n"
      "Shapes:\n    input: any; values, indices: the same\n\nRaises:\n    IndexError: if dim is out of "
      "range.";
  const auto sort = [](const Tensor& input, int64_t dim, bool descending, bool) {
    return named_result("sort", ops::sort(input, dim, descending));
  };
  b.both("sort", sort, py::arg("dim") = -1, py::arg("descending") = false, py::arg("stable") = false, doc);
  b.both(
      "argsort",
      [](const Tensor& input, int64_t dim, bool descending, bool) {
        return ops::argsort(input, dim, descending);
      },
      py::arg("dim") = -1, py::arg("descending") = false, py::arg("stable") = false,
      "The indices that sort() returns.\n\nShapes:\n    input: any; result: the same\n\nRaises:\n    "
      "IndexError: if dim is out of range.");
  b.both(
      "topk",
      [](const Tensor& input, int64_t k, int64_t dim, bool largest, bool) {
        return named_result("topk", ops::topk(input, k, dim, largest));
      },
      py::arg("k"), py::arg("dim") = -1, py::arg("largest") = true, py::arg("sorted") = true,
      "The k largest or smallest along dim, in order (also with sorted=False).\n\n"
      "Shapes:\n    input: any; values, indices: with size k along dim\n\n"
      "Raises:\n    RuntimeError: if k is not from 0 to the size.\n    IndexError: if dim is out of range.");
  b.both(
      "kthvalue",
      [](const Tensor& input, int64_t k, int64_t dim, bool keepdim) {
        return named_result("kthvalue", ops::kthvalue(input, k, dim, keepdim));
      },
      py::arg("k"), py::arg("dim") = -1, py::arg("keepdim") = false,
      "The k-th smallest along dim, k from 1.\n\nShapes:\n    input: any; values, indices: without dim, or "
      "with 1 (keepdim)\n\n"
      "Raises:\n    RuntimeError: if k is not from 1 to the size.\n    IndexError: if dim is out of range.");
}

}  // namespace

void bind_gather(Binder& b) {
  b.both(
      "gather",
      [](const Tensor& input, int64_t dim, const Tensor& index, bool) {
        return ops::gather(input, dim, index);
      },
      py::arg("dim"), py::arg("index"), py::kw_only(), py::arg("sparse_grad") = false,
      "Picks elements along dim: out[i][j] = input[index[i][j]][j] for dim 0.\n\n"
      "Shapes:\n    index: as many dimensions as input, no larger apart from dim; result: as index.\n\n"
      "Raises:\n    RuntimeError: for shapes that do not fit or an index out of range.");
  b.both("take_along_dim", &ops::take_along_dim, py::arg("indices"), py::arg("dim") = py::none(),
         "gather() with broadcasting, for the indices of argmax, argsort and topk; flattened without dim.\n\n"
         "Shapes:\n    input, indices: broadcast but along dim; result: as indices\n\n"
         "Raises:\n    RuntimeError: for shapes that do not broadcast or an index out of range.");
  bind_scatter(b);
  b.both("index_select", &ops::index_select, py::arg("dim"), py::arg("index"),
         "The slices of input along dim that a vector of indices names.\n\n"
         "Shapes:\n    index: (n); result: input's with n along dim.\n\n"
         "Raises:\n    IndexError: for an index out of range or with more than one dimension.");
  const auto index_add = [](const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source,
                            double alpha) { return ops::index_add(input, dim, index, source, alpha); };
  const char* const add_doc =
      "Adds alpha times the slices of source to the slices of input that index names along dim.\n\n"
      "Shapes:\n    index: (n); source: input's with n along dim.\n\n"
      "Raises:\n    IndexError: for an index out of range.\n    RuntimeError: if source does not fit.";
  b.both("index_add", index_add, py::arg("dim"), py::arg("index"), py::arg("source"), py::kw_only(),
         py::arg("alpha") = 1.0, add_doc);
  b.method("index_add_", &ops::index_add_, py::arg("dim"), py::arg("index"), py::arg("source"), py::kw_only(),
           py::arg("alpha") = 1.0, add_doc);
  b.function("embedding", &ops::embedding, py::arg("input"), py::arg("weight"),
             py::arg("padding_idx") = py::none(),
             "Rows of weight for a tensor of indices.\n\n"
             "Args:\n    padding_idx: this row gets no gradient.\n\n"
             "Shapes:\n    input: any, integers; weight: (rows, width); result: (*input.shape, width)\n\n"
             "Raises:\n    IndexError: for an index out of range.");
  b.function("one_hot", &ops::one_hot, py::arg("tensor"), py::arg("num_classes") = -1,
             "int64 zeros with a one at the class; num_classes -1 means the largest class + 1.\n\n"
             "Shapes:\n    tensor: any, int64; result: (*tensor.shape, num_classes)\n\n"
             "Raises:\n    RuntimeError: for classes that are negative or too large, or another dtype.");
  b.both("masked_select", &ops::masked_select, py::arg("mask"),
         "The elements where mask is True, as a vector in row-major order.\n\n"
         "Shapes:\n    mask: broadcasts with input; result: (count)\n\n"
         "Raises:\n    RuntimeError: if mask is not bool or does not broadcast.");
  bind_sort(b);
}

}  // namespace rushlight::bindings

// The indexing syntax: x[1, ..., None, 2:5, mask, [0, 3]] and its assignment.
#include <limits>

#include "bind.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/indexing.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/view.h"

namespace rushlight::bindings {
namespace {

bool is_tensor(py::handle item) { return py::isinstance<TensorImpl>(item); }

bool is_integer(py::handle item) {
  return PyIndex_Check(item.ptr()) != 0 && !PyBool_Check(item.ptr()) && !is_tensor(item);
}

Tensor make_tensor(py::handle data) {
  return py::cast<Tensor>(py::module_::import("rushlight").attr("tensor")(data));
}

// How many dimensions of the tensor an entry of the key stands for.
int64_t consumed(py::handle item) {
  if (item.is_none() || item.ptr() == Py_Ellipsis || PyBool_Check(item.ptr())) return 0;
  if (!is_tensor(item)) return 1;
  const auto tensor = py::cast<Tensor>(item);
  const bool mask = tensor.dtype() == DType::Bool || tensor.dtype() == DType::UInt8;
  return mask ? tensor.dim() : 1;
}

int64_t slice_bound(PyObject* bound, int64_t missing) {
  if (bound == Py_None) return missing;
  RUSHLIGHT_CHECK_TYPE(PyIndex_Check(bound),
                       "slice indices must be integers or None or have an __index__ method, got ",
                       std::string(py::repr(py::type::handle_of(bound))));
  const Py_ssize_t value = PyNumber_AsSsize_t(bound, nullptr);  // clips
  if (value == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return value;
}

Tensor apply_slice(const Tensor& tensor, int64_t dim, py::handle item) {
  auto* parts = reinterpret_cast<PySliceObject*>(item.ptr());
  const int64_t step = slice_bound(parts->step, 1);
  RUSHLIGHT_CHECK_VALUE(step > 0, "slice step must be positive, got ", step,
                        ": negative steps are not supported, use flip()");
  const int64_t start = slice_bound(parts->start, 0);
  const int64_t end = slice_bound(parts->stop, std::numeric_limits<int64_t>::max());
  const bool is_whole = start == 0 && step == 1 && dim < tensor.dim() && end >= tensor.sizes()[dim];
  return is_whole ? tensor : ops::slice(tensor, dim, start, end, step);
}

// A key split into a view of the tensor and, aligned with its dimensions, index tensors (if any).
struct Parsed {
  Tensor view;
  std::vector<Tensor> indices;
  bool advanced = false;
};

py::tuple key_items(py::handle key) {
  if (PyTuple_Check(key.ptr())) return py::reinterpret_borrow<py::tuple>(key);
  return py::make_tuple(py::reinterpret_borrow<py::object>(key));
}

Parsed parse(const Tensor& self, py::handle key) {
  const py::tuple items = key_items(key);
  int64_t given = 0;
  bool ellipsis = false;
  for (const py::handle item : items) {
    given += consumed(item);
    RUSHLIGHT_CHECK_INDEX(item.ptr() != Py_Ellipsis || !ellipsis,
                          "an index can only have a single ellipsis ('...')");
    ellipsis = ellipsis || item.ptr() == Py_Ellipsis;
  }
  RUSHLIGHT_CHECK_INDEX(given <= self.dim(), "too many indices for tensor of dimension ", self.dim(),
                        ": got ", given);
  Parsed parsed{self, {}, false};
  const auto index_with = [&](int64_t dim, Tensor index) {
    parsed.indices.resize(static_cast<size_t>(dim) + 1);
    parsed.indices[static_cast<size_t>(dim)] = std::move(index);
    parsed.advanced = true;
  };
  int64_t dim = 0;
  for (const py::handle item : items) {
    if (is_integer(item)) {
      const Py_ssize_t at = PyNumber_AsSsize_t(item.ptr(), PyExc_IndexError);
      if (at == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
      parsed.view = ops::select(parsed.view, dim, at);
    } else if (PySlice_Check(item.ptr())) {
      parsed.view = apply_slice(parsed.view, dim++, item);
    } else if (item.is_none()) {
      parsed.view = ops::unsqueeze(parsed.view, dim++);
    } else if (item.ptr() == Py_Ellipsis) {
      dim += self.dim() - given;
    } else if (PyBool_Check(item.ptr())) {
      parsed.view = ops::unsqueeze(parsed.view, dim);
      index_with(dim++, ops::full({1}, item.ptr() == Py_True ? 1 : 0, DType::Bool));
    } else if (is_tensor(item) || py::isinstance<py::list>(item) || py::isinstance<py::tuple>(item) ||
               py::hasattr(item, "__array__")) {
      const Tensor index = is_tensor(item) ? py::cast<Tensor>(item) : make_tensor(item);
      RUSHLIGHT_CHECK_INDEX(is_integral(index.dtype()) || index.numel() == 0,
                            "tensors used as indices must be long, int, byte or bool tensors, got ",
                            dtype_name(index.dtype()));
      const bool mask = index.dtype() == DType::Bool || index.dtype() == DType::UInt8;
      if (index.dim() == 0 && mask) {
        parsed.view = ops::unsqueeze(parsed.view, dim);
        index_with(dim++, ops::reshape(index, {1}));
      } else if (index.dim() == 0) {
        parsed.view = ops::select(parsed.view, dim, ops::to(index, DType::Int64).data<int64_t>()[0]);
      } else {
        index_with(dim, is_integral(index.dtype()) ? index : ops::to(index, DType::Int64));
        dim += mask ? index.dim() : 1;
        if (mask) continue;
      }
    } else {
      throw IndexError(
          str("only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
              "indices (got ",
              std::string(py::str(py::type::handle_of(item).attr("__name__"))), ")"));
    }
  }
  return parsed;
}

Tensor get_item(const Tensor& self, py::handle key) {
  Parsed parsed = parse(self, key);
  if (parsed.advanced) return ops::index(parsed.view, parsed.indices);
  if (parsed.view.impl() == self.impl()) return ops::view(self, self.sizes());  // x[...] is a new view
  return parsed.view;
}

// Leading dimensions of size 1 that the target lacks do not count (as in NumPy).
Tensor without_leading_ones(const Tensor& value, int64_t dims) {
  Tensor result = value;
  while (result.dim() > dims && result.sizes()[0] == 1) result = ops::squeeze(result, {0});
  return result;
}

void set_item(const Tensor& self, py::handle key, py::handle value) {
  const Parsed parsed = parse(self, key);
  Tensor source;
  if (is_tensor(value)) {
    source = py::cast<Tensor>(value);
  } else {
    source = number_to_tensor(value);
    RUSHLIGHT_CHECK_TYPE(source.defined(), "can't assign a ",
                         std::string(py::str(py::type::handle_of(value).attr("__name__"))), " to a torch.",
                         dtype_name(self.dtype()), " tensor: expected a number or a Tensor");
    ops::check_fits(source, self.dtype());
    source = ops::to(source, self.dtype());
  }
  if (!parsed.advanced) {
    ops::copy_(parsed.view, without_leading_ones(source, parsed.view.dim()));
    return;
  }
  ops::index_put_(parsed.view, parsed.indices, without_leading_ones(source, parsed.view.dim() + 8), false);
}

std::vector<Tensor> index_list(const std::vector<std::optional<Tensor>>& indices) {
  std::vector<Tensor> result;
  for (const auto& index : indices) result.push_back(index.value_or(Tensor()));
  return result;
}

}  // namespace

void bind_indexing(Binder& b) {
  b.method("__getitem__", &get_item, py::arg("index"),
           "A view (integers, slices with positive steps, None, ...), or a copy picked by masks and integer "
           "tensors.\n\n"
           "Raises:\n    IndexError: out of range, too many indices, masks of another shape.\n"
           "    ValueError: a negative step (use flip()).");
  b.method("__setitem__", &set_item, py::arg("index"), py::arg("value"),
           "Writes a number, or a tensor that broadcasts, to the indexed elements.");
  b.both(
      "index_put",
      [](const Tensor& input, const std::vector<std::optional<Tensor>>& indices, const Tensor& values,
         bool accumulate) { return ops::index_put(input, index_list(indices), values, accumulate); },
      py::arg("indices"), py::arg("values"), py::arg("accumulate") = false,
      "A copy in which the elements at `indices` are `values` (or have them added).\n\n"
      "Shapes:\n    input (...), values broadcast to the indexed shape -> (...)\n\n"
      "Raises:\n    IndexError: for indices out of range.\n    RuntimeError: if types differ or values do "
      "not broadcast.");
  b.method(
      "index_put_",
      [](const Tensor& self, const std::vector<std::optional<Tensor>>& indices, const Tensor& values,
         bool accumulate) { return ops::index_put_(self, index_list(indices), values, accumulate); },
      py::arg("indices"), py::arg("values"), py::arg("accumulate") = false,
      "Writes (or adds) `values` at `indices`, in place.");
  b.both(
      "nonzero",
      [](const Tensor& input, bool as_tuple) -> py::object {
        const Tensor places = ops::nonzero(input);
        if (!as_tuple) return py::cast(places);
        const Tensor table = input.dim() == 0 ? ops::nonzero(ops::reshape(input, {1})) : places;
        py::tuple columns(static_cast<size_t>(table.size(1)));
        for (int64_t d = 0; d < table.size(1); ++d)
          columns[static_cast<size_t>(d)] = ops::select(table, 1, d);
        return std::move(columns);
      },
      py::kw_only(), py::arg("as_tuple") = false,
      "Positions of the nonzero elements, in row-major order.\n\n"
      "Shapes:\n    (...) -> (count, dims); with as_tuple, one (count,) tensor a dimension\n\n"
      "Raises:\n    nothing");
}

}  // namespace rushlight::bindings

// Tensors from sizes and numbers.
#include "bind.h"
#include "rushlight/autograd/grad_meta.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/creation.h"
#include "rushlight/tensor/promotion.h"
#include "sized.h"

namespace rushlight::bindings {
namespace {

using ops::Number;
using MaybeDType = std::optional<DType>;

constexpr const char* kSizedEnd =
    "\n\nArgs:\n    size: ints, or one sequence of ints.\n    dtype: None for the default floating type.\n"
    "    requires_grad: whether autograd follows the tensor.\n\n"
    "Shapes:\n    -> size\n\nRaises:\n    RuntimeError: if a size is negative.";

// The type of a tensor made from numbers: integers give int64, floats the default type.
DType number_type(std::initializer_list<const Number*> numbers) {
  bool all_bool = true;
  for (const Number* number : numbers) {
    if (number->is_floating()) return default_dtype();
    all_bool = all_bool && number->dtype == DType::Bool;
  }
  return all_bool ? DType::Bool : DType::Int64;
}

DType arange_type(std::initializer_list<const Number*> numbers) {
  const DType dtype = number_type(numbers);
  return dtype == DType::Bool ? DType::Int64 : dtype;
}

void bind_sized(Binder& b) {
  const struct {
    const char* name;
    Tensor (*make)(const Dims&, DType);
    const char* summary;
  } all[] = {
      {"empty", [](const Dims& sizes, DType dtype) { return Tensor::empty(sizes, dtype); },
       "Uninitialised memory."},
      {"zeros", [](const Dims& sizes, DType dtype) { return ops::zeros(sizes, dtype); }, "Zeros."},
      {"ones", [](const Dims& sizes, DType dtype) { return ops::full(sizes, 1, dtype); }, "Ones."},
  };
  for (const auto& entry : all) {
    b.function(
        entry.name,
        [make = entry.make, name = entry.name](const py::args& size, const std::optional<IntList>& sizes,
                                               MaybeDType dtype, Device, bool requires_grad) {
          return with_grad(make(sizes_of(size, sizes, name), dtype.value_or(default_dtype())), requires_grad);
        },
        py::arg("size") = py::none(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
        py::arg("requires_grad") = false, str(entry.summary, kSizedEnd).c_str());
    b.function(
        str(entry.name, "_like").c_str(),
        [make = entry.make](const Tensor& input, MaybeDType dtype, Device, bool requires_grad) {
          return with_grad(make(input.sizes(), dtype.value_or(input.dtype())), requires_grad);
        },
        py::arg("input"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
        py::arg("requires_grad") = false,
        str(entry.summary,
            "\n\nShapes:\n    any -> the same\n\nRaises:\n    TypeError: if input is not a tensor.")
            .c_str());
    b.method(
        str("new_", entry.name).c_str(),
        [make = entry.make, name = entry.name](const Tensor& self, const py::args& size,
                                               const std::optional<IntList>& sizes, MaybeDType dtype, Device,
                                               bool requires_grad) {
          return with_grad(make(sizes_of(size, sizes, name), dtype.value_or(self.dtype())), requires_grad);
        },
        py::arg("size") = py::none(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
        py::arg("requires_grad") = false, str(entry.summary, " Of this tensor's type.").c_str());
  }
}

void bind_full(Binder& b) {
  b.function(
      "full",
      [](const IntList& size, const Number& value, MaybeDType dtype, Device, bool requires_grad) {
        return with_grad(ops::full(size, value, dtype.value_or(number_type({&value}))), requires_grad);
      },
      py::arg("size"), py::arg("fill_value"), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false,
      "One number everywhere; dtype defaults to the number's.\n\nShapes:\n    -> size\n\n"
      "Raises:\n    RuntimeError: if a size is negative.");
  b.function(
      "full_like",
      [](const Tensor& input, const Number& value, MaybeDType dtype, Device, bool requires_grad) {
        return with_grad(ops::full(input.sizes(), value, dtype.value_or(input.dtype())), requires_grad);
      },
      py::arg("input"), py::arg("fill_value"), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false,
      "One number everywhere, in the shape and type of input.\n\nShapes:\n    any -> the same\n\n"
      "Raises:\n    TypeError: if input is not a tensor.");
  b.method(
      "new_full",
      [](const Tensor& self, const IntList& size, const Number& value, MaybeDType dtype, Device,
         bool requires_grad) {
        return with_grad(ops::full(size, value, dtype.value_or(self.dtype())), requires_grad);
      },
      py::arg("size"), py::arg("fill_value"), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false,
      "One number everywhere, of this tensor's type.");
  b.method(
      "fill_", [](const Tensor& self, const Operand& value) { return ops::fill_(self, value); },
      py::arg("value"), "Every element becomes value.");
  b.method("zero_", &ops::zero_, "Every element becomes 0.");
}

void bind_ranges(Binder& b) {
  constexpr const char* doc =
      "start, start + step, ... up to but without end.\n\n"
      "Args:\n    start: 0 if only end is given.\n    dtype: None for int64, or the default floating type if "
      "a number "
      "is a float.\n\nShapes:\n    -> (ceil((end - start) / step),)\n\n"
      "Raises:\n    RuntimeError: if step is 0 or leads away from end.";
  b.function(
      "arange",
      [](const Number& end, MaybeDType dtype, Device, bool requires_grad) {
        return with_grad(ops::arange(0, end, 1, dtype.value_or(arange_type({&end}))), requires_grad);
      },
      py::arg("end"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      py::arg("requires_grad") = false, doc);
  b.function(
      "arange",
      [](const Number& start, const Number& end, const Number& step, MaybeDType dtype, Device,
         bool requires_grad) {
        const DType type = dtype.value_or(arange_type({&start, &end, &step}));
        return with_grad(ops::arange(start, end, step, type), requires_grad);
      },
      py::arg("start"), py::arg("end"), py::arg("step") = 1, py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false, doc);
  b.function(
      "linspace",
      [](double start, double end, int64_t steps, MaybeDType dtype, Device, bool requires_grad) {
        return with_grad(ops::linspace(start, end, steps, dtype.value_or(default_dtype())), requires_grad);
      },
      py::arg("start"), py::arg("end"), py::arg("steps"), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false,
      "steps values from start to end, both included.\n\nShapes:\n    -> (steps,)\n\n"
      "Raises:\n    RuntimeError: if steps is negative.");
  b.function(
      "logspace",
      [](double start, double end, int64_t steps, double base, MaybeDType dtype, Device, bool requires_grad) {
        return with_grad(ops::logspace(start, end, steps, base, dtype.value_or(default_dtype())),
                         requires_grad);
      },
      py::arg("start"), py::arg("end"), py::arg("steps"), py::arg("base") = 10.0, py::kw_only(),
      py::arg("dtype") = py::none(), py::arg("device") = py::none(), py::arg("requires_grad") = false,
      "base to the power of linspace(start, end, steps).\n\nShapes:\n    -> (steps,)\n\n"
      "Raises:\n    RuntimeError: if steps is negative.");
  b.function(
      "eye",
      [](int64_t n, std::optional<int64_t> m, MaybeDType dtype, Device, bool requires_grad) {
        return with_grad(ops::eye(n, m.value_or(n), dtype.value_or(default_dtype())), requires_grad);
      },
      py::arg("n"), py::arg("m") = py::none(), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false,
      "Ones on the diagonal, zeros elsewhere.\n\nShapes:\n    -> (n, m), m defaulting to n\n\n"
      "Raises:\n    RuntimeError: if n or m is negative.");
}

}  // namespace

void bind_creation(Binder& b) {
  bind_sized(b);
  bind_full(b);
  bind_ranges(b);
  constexpr const char* end =
      "\n\nShapes:\n    (..., n, m) -> the same\n\nRaises:\n    RuntimeError: if there are fewer than two "
      "dimensions.";
  b.both("tril", &ops::tril, py::arg("diagonal") = 0,
         str("The elements on and below a diagonal of the last two dimensions, 0 elsewhere.", end).c_str());
  b.both("triu", &ops::triu, py::arg("diagonal") = 0,
         str("The elements on and above a diagonal of the last two dimensions, 0 elsewhere.", end).c_str());
}

}  // namespace rushlight::bindings

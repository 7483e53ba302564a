#include "autocast.h"
#include "bind.h"
#include "return_types.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/reduce.h"

namespace rushlight::bindings {
namespace {

using ops::OptionalDim;
using ops::OptionalDType;
using OptionalDims = std::optional<IntList>;

Dims dims_of(const OptionalDims& dim) { return dim.has_value() ? dim->values : Dims{}; }

// A reduction with `dim` (None, an int or several) and `keepdim`.
template <auto Op>
constexpr auto over_dims = [](const Tensor& input, const OptionalDims& dim, bool keepdim) {
  return Op(input, dims_of(dim), keepdim);
};

template <auto Op>
constexpr auto over_dims_as = [](const Tensor& input, const OptionalDims& dim, bool keepdim,
                                 OptionalDType dtype) { return Op(input, dims_of(dim), keepdim, dtype); };

// var and std: the divisor is count - correction; unbiased is PyTorch's older word for correction 1 or 0.
using Spread = Tensor (*)(const Tensor&, const Dims&, double, bool);
void bind_spread(Binder& b, const char* name, Spread op, const char* doc) {
  b.both(
      name, [op](const Tensor& input, bool unbiased) { return op(input, {}, unbiased ? 1.0 : 0.0, false); },
      py::arg("unbiased"), doc);
  b.both(
      name,
      [op](const Tensor& input, const OptionalDims& dim, bool unbiased, bool keepdim) {
        return op(input, dims_of(dim), unbiased ? 1.0 : 0.0, keepdim);
      },
      py::arg("dim"), py::arg("unbiased"), py::arg("keepdim") = false, doc);
  b.both(
      name,
      [op](const Tensor& input, const OptionalDims& dim, std::optional<double> correction, bool keepdim) {
        return op(input, dims_of(dim), correction.value_or(1.0), keepdim);
      },
      py::arg("dim") = py::none(), py::kw_only(), py::arg("correction") = 1.0, py::arg("keepdim") = false,
      doc);
}

// max and min: of everything, along one dimension, or of two tensors.
template <class Whole, class Along, class Pair>
void bind_extreme(Binder& b, const char* name, Whole whole, Along along, Pair pair, const char* doc) {
  b.both(name, [whole](const Tensor& input) { return whole(input); }, doc);
  b.both(
      name, [pair](const Tensor& input, const Tensor& other) { return pair(input, other); }, py::arg("other"),
      doc);
  b.both(
      name,
      [name, along](const Tensor& input, int64_t dim, bool keepdim) {
        return named_result(name, along(input, dim, keepdim));
      },
      py::arg("dim"), py::arg("keepdim") = false, doc);
}

void bind_norm(Binder& b) {
  const auto norm = [](const Tensor& input, const py::object& p, const OptionalDims& dim, bool keepdim,
                       OptionalDType dtype) {
    const bool frobenius = p.is_none() || (py::isinstance<py::str>(p) && p.equal(py::str("fro")));
    RUSHLIGHT_CHECK(frobenius || py::isinstance<py::float_>(p) || py::isinstance<py::int_>(p),
                    "norm: p must be a number or 'fro', got ", std::string(py::repr(p)));
    const Tensor values = dtype.has_value() ? ops::to(input, *dtype) : input;
    return ops::vector_norm(values, frobenius ? 2.0 : p.cast<double>(), dims_of(dim), keepdim);
  };
  b.both(
      "norm", norm, py::arg("p") = "fro", py::arg("dim") = py::none(), py::arg("keepdim") = false,
      py::arg("dtype") = py::none(),
      "The p-norm of all numbers in dim: sum(|x|^p)^(1/p); 'fro' is 2, 0 counts nonzeros, inf is max |x|.\n\n"
      "Shapes:\n    input: any; result: without the reduced dimensions, or with 1 for them (keepdim)\n\n"
      "Raises:\n    RuntimeError: if input is not floating or a dimension is named twice.\n"
      "    IndexError: if dim is out of range.");
}

}  // namespace

void bind_reduce(Binder& b) {
  const char* const shapes =
      "\n\nArgs:\n    dim: dimension or dimensions to reduce; all if None.\n"
      "    keepdim: keep the reduced dimensions as 1.\n\n"
      "Shapes:\n    input: any; result: input's without the reduced dimensions.\n\n"
      "Raises:\n    IndexError: if dim is out of range.\n    RuntimeError: if a dimension is named twice.";
  const auto text = [&](const char* summary) { return std::string(summary) + shapes; };
  const std::string empty =
      std::string(shapes) +
      "\n    IndexError, RuntimeError: if there is nothing to reduce (RuntimeError without dim).";
  b.both("sum", over_dims_as<&ops::sum>, py::arg("dim") = py::none(), py::arg("keepdim") = false,
         py::kw_only(), py::arg("dtype") = py::none(),
         text("Sum; integers and bool sum to int64. Float sums are accurate to the last bits and do not "
              "depend on the "
              "number of threads.")
             .c_str());
  b.both("mean", over_dims_as<&ops::mean>, py::arg("dim") = py::none(), py::arg("keepdim") = false,
         py::kw_only(), py::arg("dtype") = py::none(),
         text("Mean of floating values; NaN of nothing.").c_str());
  b.both("prod", autocast<Cast::Float32>(&ops::prod), py::arg("dim") = py::none(), py::arg("keepdim") = false,
         py::kw_only(), py::arg("dtype") = py::none(),
         text("Product; of one dimension or of all elements.").c_str());
  b.both("any", over_dims<&ops::any>, py::arg("dim") = py::none(), py::arg("keepdim") = false,
         text("Whether any element is nonzero.").c_str());
  b.both("all", over_dims<&ops::all>, py::arg("dim") = py::none(), py::arg("keepdim") = false,
         text("Whether all elements are nonzero.").c_str());
  b.both("amax", over_dims<&ops::amax>, py::arg("dim") = py::tuple(), py::arg("keepdim") = false,
         ("Largest value; NaN wins, equal ones share the gradient." + empty).c_str());
  b.both("amin", over_dims<&ops::amin>, py::arg("dim") = py::tuple(), py::arg("keepdim") = false,
         ("Smallest value; NaN wins, equal ones share the gradient." + empty).c_str());
  b.both(
      "logsumexp",
      [](const Tensor& input, const IntList& dim, bool keepdim) {
        return ops::logsumexp(input, dim, keepdim);
      },
      py::arg("dim"), py::arg("keepdim") = false, text("log(sum(exp(x))), without overflow.").c_str());
  b.both("argmax", &ops::argmax, py::arg("dim") = py::none(), py::arg("keepdim") = false,
         ("Position of the largest value, the first of equal ones; in the flattened tensor if dim is None." +
          empty)
             .c_str());
  b.both("argmin", &ops::argmin, py::arg("dim") = py::none(), py::arg("keepdim") = false,
         ("Position of the smallest value, the first of equal ones; in the flattened tensor if dim is None." +
          empty)
             .c_str());
  bind_extreme(
      b, "max", [](const Tensor& x) { return ops::max(x); },
      [](const Tensor& x, int64_t dim, bool keepdim) { return ops::max(x, dim, keepdim); }, &ops::maximum,
      ("Largest value of all; with dim (values, indices) along it; with another tensor the elementwise "
       "maximum." +
       empty)
          .c_str());
  bind_extreme(
      b, "min", [](const Tensor& x) { return ops::min(x); },
      [](const Tensor& x, int64_t dim, bool keepdim) { return ops::min(x, dim, keepdim); }, &ops::minimum,
      ("Smallest value of all; with dim (values, indices) along it; with another tensor the elementwise "
       "minimum." +
       empty)
          .c_str());
  bind_spread(b, "var", &ops::var,
              text("Variance: squared deviations divided by max(0, count - correction), unbiased=True means "
                   "correction=1. NaN where that is 0.")
                  .c_str());
  bind_spread(b, "std", &ops::std, text("Standard deviation: the root of var().").c_str());
  bind_norm(b);
  b.both("cumsum", &ops::cumsum, py::arg("dim"), py::kw_only(), py::arg("dtype") = py::none(),
         "Running sum along dim; integers and bool sum to int64.\n\n"
         "Shapes:\n    input: any; result: the same.\n\nRaises:\n    IndexError: if dim is out of range.");
  b.both("cumprod", &ops::cumprod, py::arg("dim"), py::kw_only(), py::arg("dtype") = py::none(),
         "Running product along dim; integers and bool multiply to int64.\n\n"
         "Shapes:\n    input: any; result: the same.\n\nRaises:\n    IndexError: if dim is out of range.");
}

}  // namespace rushlight::bindings

// The Tensor class: geometry, memory, numbers out. Ops add themselves as methods (Binder).
#include "bind.h"
#include "rushlight/autograd/grad_meta.h"
#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/ops/copy.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::bindings {
namespace {

template <class T>
py::object to_python(T value) {
  if constexpr (std::is_same_v<T, bool>)
    return py::bool_(value);
  else if constexpr (std::is_integral_v<T>)
    return py::int_(value);
  else if constexpr (kernels::is_half<T>)
    return py::float_(static_cast<float>(value));
  else
    return py::float_(value);
}

py::object element(const Tensor& tensor, int64_t offset) {
  return dispatch_all(tensor.dtype(), [&](auto tag) -> py::object {
    using T = typename decltype(tag)::type;
    return to_python(tensor.data<T>()[offset]);
  });
}

py::object item(const Tensor& self) {
  RUSHLIGHT_CHECK(self.numel() == 1, "a Tensor with ", self.numel(),
                  " elements cannot be converted to Scalar: item() needs exactly one, got shape ",
                  to_string(self.sizes()));
  return element(self, 0);
}

template <class T>
py::object nested_list(const T* data, const Tensor& self, size_t dim) {
  if (dim == self.sizes().size()) return to_python(*data);
  py::list list(self.sizes()[dim]);
  for (int64_t i = 0; i < self.sizes()[dim]; ++i)
    PyList_SET_ITEM(list.ptr(), i,
                    nested_list(data + i * self.strides()[dim], self, dim + 1).release().ptr());
  return std::move(list);
}

py::object tolist(const Tensor& self) {
  return dispatch_all(self.dtype(), [&](auto tag) {
    return nested_list(self.data<typename decltype(tag)::type>(), self, 0);
  });
}

bool truth(const Tensor& self) {
  RUSHLIGHT_CHECK(self.numel() != 0, "Boolean value of Tensor with no values is ambiguous");
  RUSHLIGHT_CHECK(self.numel() == 1,
                  "Boolean value of Tensor with more than one value is ambiguous: got shape ",
                  to_string(self.sizes()), ". Use any() or all()");
  return py::bool_(item(self));
}

// Tensor.data = other: the same Python object gets other's memory, shape and type.
void set_data(const Tensor& self, const Tensor& other) {
  TensorImpl& to = *self.impl();
  const TensorImpl& from = *other.impl();
  RUSHLIGHT_CHECK(!self.requires_grad() || is_floating(from.dtype),
                  "data set to a tensor that requires gradients must be floating point, got ",
                  dtype_name(from.dtype));
  to.storage = from.storage;
  to.sizes = from.sizes;
  to.strides = from.strides;
  to.offset = from.offset;
  to.numel = from.numel;
  to.dtype = from.dtype;
  to.contiguous = from.contiguous;
  to.view_base = nullptr;
}

void bind_geometry(TensorClass& c) {
  c.def_property_readonly(
       "shape", [](const Tensor& self) { return make_size(self.sizes()); }, "Sizes, as a tuple.")
      .def(
          "size",
          [](const Tensor& self, std::optional<int64_t> dim) -> py::object {
            if (dim.has_value()) return py::int_(self.size(*dim));
            return make_size(self.sizes());
          },
          py::arg("dim") = py::none(), "All sizes, or that of one dimension.")
      .def(
          "stride",
          [](const Tensor& self, std::optional<int64_t> dim) -> py::object {
            if (dim.has_value()) return py::int_(self.stride(*dim));
            return py::cast(self.strides());
          },
          py::arg("dim") = py::none(), "Steps between neighbours, in elements.")
      .def("dim", member<&Tensor::dim>, "Number of dimensions.")
      .def("ndimension", member<&Tensor::dim>, "Number of dimensions.")
      .def_property_readonly("ndim", member<&Tensor::dim>, "Number of dimensions.")
      .def("numel", member<&Tensor::numel>, "Number of elements.")
      .def("nelement", member<&Tensor::numel>, "Number of elements.")
      .def("storage_offset", member<&Tensor::offset>, "First element's place in the storage, in elements.")
      .def(
          "element_size", [](const Tensor& self) { return dtype_size(self.dtype()); },
          "Bytes of one element.")
      .def_property_readonly("itemsize", [](const Tensor& self) { return dtype_size(self.dtype()); })
      .def_property_readonly("nbytes", member<&Tensor::nbytes>, "Bytes of all elements.")
      .def_property_readonly("dtype", member<&Tensor::dtype>, "Element type.")
      .def(
          "data_ptr",
          [](const Tensor& self) {
            self.storage().lend();
            return reinterpret_cast<uintptr_t>(self.raw_data());
          },
          "Address of the first element.")
      .def(
          "_storage_key", [](const Tensor& self) { return reinterpret_cast<uintptr_t>(&self.storage()); },
          "Equal for tensors that share memory.")
      .def("_storage_nbytes", [](const Tensor& self) { return self.storage().nbytes(); })
      .def("_is_channels_last", member<&Tensor::is_channels_last>,
           "Physical order N, H, W, C (see Note [Physical layout]).")
      .def("is_floating_point", [](const Tensor& self) { return is_floating(self.dtype()); })
      .def("is_complex", [](const Tensor&) { return false; })
      .def("is_signed", [](const Tensor& self) { return self.dtype() > DType::UInt8; });
}

}  // namespace

TensorClass bind_tensor(py::module_& m) {
  TensorClass c(m, "Tensor", py::dynamic_attr(), py::custom_type_setup(install_operators),
                "An n-dimensional array with automatic differentiation, as torch.Tensor.");
  install_tensor_class(c);
  c.def(py::init([](const Tensor& data) { return data.alias().shared(); }), py::arg("data"));
  // The caster hides TensorImpl's own __init__ check for bound methods: `self` is a Tensor everywhere.
  bind_geometry(c);
  c.def("item", &item, "The value of a one-element tensor, as a Python number.")
      .def("tolist", &tolist, "The values as (nested lists of) Python numbers.")
      .def("__bool__", &truth)
      .def("__float__", [](const Tensor& self) { return py::float_(item(self)); })
      .def("__int__", [](const Tensor& self) { return py::int_(item(self)); })
      .def("__index__",
           [](const Tensor& self) {
             RUSHLIGHT_CHECK_TYPE(
                 self.numel() == 1 && is_integral(self.dtype()),
                 "only integer tensors of a single element can be converted to an index, got ",
                 dtype_name(self.dtype()), " of shape ", to_string(self.sizes()));
             return py::int_(item(self));
           })
      .def("__len__",
           [](const Tensor& self) {
             RUSHLIGHT_CHECK_TYPE(self.dim() > 0, "len() of a 0-d tensor");
             return self.sizes()[0];
           })
      .def("__hash__", [](const Tensor& self) { return reinterpret_cast<uintptr_t>(self.impl()) >> 4; })
      .def_property(
          "data", [](const Tensor& self) { return autograd::detach(self); }, &set_data,
          "The tensor's memory outside the graph. Unlike torch's, a change through it is noticed by "
          "backward.");
  m.def("get_default_dtype", &default_dtype, "The type of new floating tensors.");
  m.def("set_default_dtype", &set_default_dtype, py::arg("d"),
        "Sets the type of new floating tensors.\n\nRaises:\n    TypeError: if it is not a floating type.");
  m.def("promote_types", &promote, py::arg("type1"), py::arg("type2"), "The smallest type both convert to.");
  m.def(
      "result_type", [](const Operand& a, const Operand& b) { return result_type(a.tensor, b.tensor); },
      py::arg("tensor1"), py::arg("tensor2"), "The type of an arithmetic result of the two.");
  return c;
}

}  // namespace rushlight::bindings

// Ops as Python calls them, seen by whoever listens (base/trace.h).
#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "rushlight/tensor/traced.h"

namespace rushlight::bindings {

// Calls visit(tensor) for the tensors in an argument or result, however it wraps them; numbers have none.
template <class Visit, class Any>
void each_tensor(const Visit&, const Any&) {}
template <class Visit>
void each_tensor(const Visit& visit, const Tensor& tensor) {
  if (tensor.defined() && !tensor.impl()->wrapped_number) visit(tensor);
}
template <class Visit, class T>
void each_tensor(const Visit& visit, const std::optional<T>& value) {
  if (value.has_value()) each_tensor(visit, *value);
}
template <class Visit, class T>
void each_tensor(const Visit& visit, const std::vector<T>& values) {
  for (const T& value : values) each_tensor(visit, value);
}
template <class Visit, class... T>
void each_tensor(const Visit& visit, const std::tuple<T...>& values) {
  std::apply([&](const auto&... value) { (each_tensor(visit, value), ...); }, values);
}
template <class Visit>
void each_tensor(const Visit& visit, const pybind11::object& value) {  // tuples with names
  if (pybind11::isinstance<TensorImpl>(value))
    visit(Tensor(value.cast<std::shared_ptr<TensorImpl>>()));
  else if (PyTuple_Check(value.ptr()))
    for (const pybind11::handle item : value)
      each_tensor(visit, pybind11::reinterpret_borrow<pybind11::object>(item));
}

// A copy that lives for good, "__getitem__" as "getitem".
const char* lasting_name(const char* name);

// f(args...) inside a TracedCall.
template <class F, class... A>
decltype(auto) traced_call(const char* name, const F& f, A&&... args) {
  TracedCall call(name, trace::Kind::Op);
  if (call) (each_tensor([&](const Tensor& tensor) { call.input(tensor); }, args), ...);
  using R = std::invoke_result_t<const F&, A...>;
  if constexpr (std::is_void_v<R>) {
    f(args...);
    if (call) (each_tensor([&](const Tensor& tensor) { call.changed(tensor); }, args), ...);
  } else {
    R result = f(std::forward<A>(args)...);
    if (call) each_tensor([&](const Tensor& tensor) { call.output(tensor); }, result);
    return result;
  }
}

// `f` as a function that does so.
template <class F, class R, class... A>
auto traced_as(const char* name, F f, R (*)(A...)) {
  return [name = lasting_name(name), f = std::move(f)](A... args) -> R {
    return traced_call(name, f, std::forward<A>(args)...);
  };
}
template <class F>
auto traced(const char* name, F f) {
  using Signature = pybind11::detail::function_signature_t<F>;
  return traced_as(name, std::move(f), static_cast<Signature*>(nullptr));
}

}  // namespace rushlight::bindings

// autocast: what Python calls, in another floating type. The graph and everything inside an op know nothing
// of it.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "casters.h"
#include "rushlight/ops/copy.h"

namespace rushlight::bindings {

// Of this thread.
struct AutocastState {
  bool enabled = false;
  DType dtype = DType::BFloat16;
};
AutocastState& autocast_state();

// PyTorch's two lists for the CPU: ops that gain from a narrow type, and those that need float32.
enum class Cast { Lower, Float32 };

// Arguments in the given type. Integers and float64 stay what they are, as in PyTorch.
inline Tensor cast_argument(const Tensor& tensor, DType dtype) {
  const bool eligible = tensor.defined() && is_floating(tensor.dtype()) && tensor.dtype() != DType::Float64;
  return eligible && tensor.dtype() != dtype ? ops::to(tensor, dtype) : tensor;
}
inline std::optional<Tensor> cast_argument(const std::optional<Tensor>& tensor, DType dtype) {
  if (!tensor.has_value()) return std::nullopt;
  return cast_argument(*tensor, dtype);
}
template <class T>
const T& cast_argument(const T& other, DType) {
  return other;
}

template <Cast cast, class F, class R, class... A>
auto autocast_as(F f, R (*)(A...)) {
  return [f = std::move(f)](A... args) -> R {
    AutocastState& state = autocast_state();
    if (!state.enabled) return f(std::forward<A>(args)...);
    const DType dtype = cast == Cast::Lower ? state.dtype : DType::Float32;
    return f(cast_argument(args, dtype)...);
  };
}
// `f` as a function that casts its tensors first while autocast is on.
template <Cast cast, class F>
auto autocast(F f) {
  using Signature = py::detail::function_signature_t<F>;
  return autocast_as<cast>(std::move(f), static_cast<Signature*>(nullptr));
}

}  // namespace rushlight::bindings

// The type of sums of T. bfloat16 numbers are uint16_t here, and are summed in float32.
#pragma once

#include <cstdint>

namespace rushlight::kernels {

template <class T>
struct WideOf {
  using type = T;
};
template <>
struct WideOf<uint16_t> {
  using type = float;
};
template <class T>
using Wide = typename WideOf<T>::type;

}  // namespace rushlight::kernels

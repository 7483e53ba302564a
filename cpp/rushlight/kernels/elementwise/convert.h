// Conversion from any element type to any other; the rules are stated in copy.h.
#pragma once

#include <cstdint>
#include <type_traits>

#include "rushlight/base/dtype.h"
#include "rushlight/kernels/elementwise/convert_number.h"

namespace rushlight::kernels {

template <class T>
constexpr bool is_half = std::is_same_v<T, BFloat16> || std::is_same_v<T, Float16>;

template <class To, class From>
inline To convert_element(From value) {
  if constexpr (std::is_same_v<To, From>)
    return value;
  else if constexpr (is_half<From>)
    return convert_element<To>(static_cast<float>(value));
  else if constexpr (is_half<To>)
    return To(static_cast<float>(value));
  else
    return convert_number<To>(value);
}

// Unsigned integers of the same size stand for every type that is moved unchanged.
template <class F>
decltype(auto) dispatch_size(DType dtype, F&& f) {
  switch (dtype_size(dtype)) {
    case 1: return f(TypeTag<uint8_t>{});
    case 2: return f(TypeTag<uint16_t>{});
    case 4: return f(TypeTag<uint32_t>{});
    default: return f(TypeTag<uint64_t>{});
  }
}

// Converts n elements; strides in bytes.
using ConvertRun = void (*)(int64_t n, const char* src, int64_t src_stride, char* dst, int64_t dst_stride);
ConvertRun find_convert(DType from, DType to);

// Converts n elements that lie one after the other.
using ConvertDense = void (*)(int64_t n, const void* src, void* dst);
namespace generic {
ConvertDense convert_dense(DType from, DType to);  // two different types
}
namespace avx2 {
ConvertDense convert_dense(DType from, DType to);
}
namespace avx512 {
ConvertDense convert_dense(DType from, DType to);
}

}  // namespace rushlight::kernels

// Conversion from any element type to any other; the rules are stated in copy.h.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "rushlight/base/dtype.h"

namespace rushlight::kernels {

template <class T>
constexpr bool is_half = std::is_same_v<T, BFloat16> || std::is_same_v<T, Float16>;

// Truncates, or gives the lowest value where truncation has no result (the cast alone is undefined there).
template <class Int, class Float>
inline Int truncate_to(Float value) {
  constexpr Float low = static_cast<Float>(std::numeric_limits<Int>::min());
  // -low is exact in every float type and is the first value above the range; for int32 from double the
  // values between low - 1 and low truncate into the range as well.
  constexpr bool fraction_below = sizeof(Float) > sizeof(Int);
  const bool above = fraction_below ? value > low - 1 : value >= low;
  return above && value < -low ? static_cast<Int>(value) : std::numeric_limits<Int>::min();
}

template <class To, class From>
inline To convert_element(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (is_half<From>) {
    return convert_element<To>(static_cast<float>(value));
  } else if constexpr (is_half<To>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    using Wide =
        std::conditional_t<std::is_same_v<To, uint8_t> || std::is_same_v<To, int64_t>, int64_t, int32_t>;
    return static_cast<To>(truncate_to<Wide>(value));
  } else {
    return static_cast<To>(value);
  }
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

}  // namespace rushlight::kernels

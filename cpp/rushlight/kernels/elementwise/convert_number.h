// Conversion of one number between the built-in types; the rules are stated in copy.h. Every translation unit
// has a copy of its own, those compiled for one instruction set included (isa.h).
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

namespace rushlight::kernels {
namespace {

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
inline To convert_number(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
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

}  // namespace
}  // namespace rushlight::kernels

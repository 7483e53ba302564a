// Element types. They live in base so that kernel tables and tensors name them alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "rushlight/base/check.h"

namespace rushlight {

enum class DType : uint8_t { Bool, UInt8, Int8, Int16, Int32, Int64, Float16, BFloat16, Float32, Float64 };
constexpr int kNumDTypes = 10;

// Storage-only 16-bit floats: arithmetic converts to float, computes, and rounds back (to nearest even).
struct BFloat16 {
  uint16_t bits;
  BFloat16() = default;
  BFloat16(float value) {  // NOLINT(google-explicit-constructor): mirrors the built-in conversions
    uint32_t word;
    std::memcpy(&word, &value, 4);
    const bool is_nan = (word & 0x7fffffffu) > 0x7f800000u;
    bits = is_nan ? static_cast<uint16_t>(0x7fc0u | (word >> 16 & 0x8000u))
                  : static_cast<uint16_t>((word + 0x7fffu + (word >> 16 & 1u)) >> 16);
  }
  operator float() const {  // NOLINT(google-explicit-constructor)
    const uint32_t word = static_cast<uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &word, 4);
    return value;
  }
};

struct Float16 {
  uint16_t bits;
  Float16() = default;
  Float16(float value) {  // NOLINT(google-explicit-constructor)
    uint32_t word;
    std::memcpy(&word, &value, 4);
    const uint32_t sign = word >> 16 & 0x8000u;
    const uint32_t magnitude = word & 0x7fffffffu;
    uint32_t half;
    if (magnitude > 0x7f800000u) {
      half = 0x7e00u;
    } else if (magnitude >= 0x477ff000u) {  // rounds to infinity
      half = 0x7c00u;
    } else if (magnitude < 0x38800000u) {  // subnormal: let a float addition do the rounding
      float shifted;
      std::memcpy(&shifted, &magnitude, 4);
      shifted += 0.5f;
      uint32_t rounded;
      std::memcpy(&rounded, &shifted, 4);
      half = rounded - 0x3f000000u;
    } else {
      half = (magnitude + 0xc8000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
    }
    bits = static_cast<uint16_t>(sign | half);
  }
  operator float() const {  // NOLINT(google-explicit-constructor)
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
    const uint32_t exponent = bits >> 10 & 0x1fu;
    uint32_t mantissa = bits & 0x3ffu;
    uint32_t word;
    if (exponent == 31) {
      word = sign | 0x7f800000u | mantissa << 13;
    } else if (exponent != 0) {
      word = sign | (exponent + 112u) << 23 | mantissa << 13;
    } else {
      float value = static_cast<float>(mantissa) * 5.9604644775390625e-8f;  // 2^-24, exact
      std::memcpy(&word, &value, 4);
      word |= sign;
    }
    float value;
    std::memcpy(&value, &word, 4);
    return value;
  }
};

// Bytes of one element.
constexpr size_t dtype_size(DType dtype) {
  switch (dtype) {
    case DType::Bool:
    case DType::UInt8:
    case DType::Int8: return 1;
    case DType::Int16:
    case DType::Float16:
    case DType::BFloat16: return 2;
    case DType::Int32:
    case DType::Float32: return 4;
    default: return 8;
  }
}

constexpr bool is_floating(DType dtype) { return dtype >= DType::Float16; }
constexpr bool is_integral(DType dtype) { return dtype < DType::Float16; }  // bool included

// PyTorch's name without the module: "float32".
constexpr const char* dtype_name(DType dtype) {
  constexpr const char* names[] = {"bool",  "uint8",   "int8",     "int16",   "int32",
                                   "int64", "float16", "bfloat16", "float32", "float64"};
  return names[static_cast<int>(dtype)];
}

// DTypeOf<float>::value is DType::Float32, and so on.
// clang-format off: a table
template <class T> struct DTypeOf;
template <> struct DTypeOf<bool> { static constexpr DType value = DType::Bool; };
template <> struct DTypeOf<uint8_t> { static constexpr DType value = DType::UInt8; };
template <> struct DTypeOf<int8_t> { static constexpr DType value = DType::Int8; };
template <> struct DTypeOf<int16_t> { static constexpr DType value = DType::Int16; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::Int32; };
template <> struct DTypeOf<int64_t> { static constexpr DType value = DType::Int64; };
template <> struct DTypeOf<Float16> { static constexpr DType value = DType::Float16; };
template <> struct DTypeOf<BFloat16> { static constexpr DType value = DType::BFloat16; };
template <> struct DTypeOf<float> { static constexpr DType value = DType::Float32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::Float64; };
// clang-format on

template <class T>
struct TypeTag {
  using type = T;
};

// Calls f(TypeTag<T>{}) for the C++ type of `dtype`.
template <class F>
decltype(auto) dispatch_all(DType dtype, F&& f) {
  switch (dtype) {
    case DType::Bool: return f(TypeTag<bool>{});
    case DType::UInt8: return f(TypeTag<uint8_t>{});
    case DType::Int8: return f(TypeTag<int8_t>{});
    case DType::Int16: return f(TypeTag<int16_t>{});
    case DType::Int32: return f(TypeTag<int32_t>{});
    case DType::Int64: return f(TypeTag<int64_t>{});
    case DType::Float16: return f(TypeTag<Float16>{});
    case DType::BFloat16: return f(TypeTag<BFloat16>{});
    case DType::Float32: return f(TypeTag<float>{});
    default: return f(TypeTag<double>{});
  }
}

// The same for floating types only; `what` names the op in the report of an internal error.
template <class F>
decltype(auto) dispatch_floating(DType dtype, const char* what, F&& f) {
  switch (dtype) {
    case DType::Float16: return f(TypeTag<Float16>{});
    case DType::BFloat16: return f(TypeTag<BFloat16>{});
    case DType::Float32: return f(TypeTag<float>{});
    default: RUSHLIGHT_INTERNAL_ASSERT(dtype == DType::Float64, what, " of ", dtype_name(dtype));
  }
  return f(TypeTag<double>{});
}

}  // namespace rushlight

// A Python number as an op's parameter: alpha, value, min, fill_value, ...
#pragma once

#include <cstdint>

#include "rushlight/base/dtype.h"

namespace rushlight::ops {

struct Number {
  double real = 0;             // the value, rounded if it came as an integer beyond 2^53
  int64_t integer = 0;         // the value, truncated if it came as a float
  DType dtype = DType::Int64;  // Bool, Int64 or Float64: what it came as

  Number() = default;
  Number(int64_t value)
      : real(static_cast<double>(value)), integer(value) {}   // NOLINT(google-explicit-constructor)
  Number(int value) : Number(static_cast<int64_t>(value)) {}  // NOLINT(google-explicit-constructor)
  Number(double value);                                       // NOLINT(google-explicit-constructor)
  static Number boolean(bool value) {
    Number result(static_cast<int64_t>(value));
    result.dtype = DType::Bool;
    return result;
  }
  bool is_floating() const { return dtype == DType::Float64; }
};

}  // namespace rushlight::ops

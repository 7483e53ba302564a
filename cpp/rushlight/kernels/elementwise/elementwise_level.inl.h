// The whole of elementwise_<level>.cpp: arithmetic of all computation types, and the smooth functions of
// float32.
#pragma once

#include "rushlight/kernels/elementwise/fast_math_f32.inl.h"
// smooth.inl.h uses the functions above
#include "rushlight/kernels/elementwise/elementwise.inl.h"
#include "rushlight/kernels/elementwise/tables.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

template <class T>
constexpr bool is_provided(Real real, bool integers) {
  if (!is_real<T>) return integers;
  return real == Real::Vector || (real == Real::Smooth && sizeof(T) == 4);
}

template <class T>
Run find(ElementwiseOp op) {
  static constexpr Run table[] = {
#define RUSHLIGHT_ELEMENTWISE(name, operands, real, integers, result) \
  entry<name, T, operands, is_provided<T>(Real::real, integers)>(),
#include "rushlight/kernels/elementwise/kernels.inc"
#undef RUSHLIGHT_ELEMENTWISE
  };
  return table[static_cast<int>(op)];
}

}  // namespace

Run elementwise_level(ElementwiseOp op, DType type) {
  switch (type) {
    case DType::Int32: return find<int32_t>(op);
    case DType::Int64: return find<int64_t>(op);
    case DType::Float32: return find<float>(op);
    default: return find<double>(op);
  }
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

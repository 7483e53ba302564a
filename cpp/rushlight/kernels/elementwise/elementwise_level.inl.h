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

// What bools have of their own, as bytes of 0 and 1; for the rest they are int32.
constexpr bool is_for_bools(ElementwiseOp op) {
  switch (op) {
    case ElementwiseOp::BitwiseAnd:
    case ElementwiseOp::BitwiseOr:
    case ElementwiseOp::BitwiseXor:
    case ElementwiseOp::LogicalNot:
    case ElementwiseOp::LogicalAnd:
    case ElementwiseOp::LogicalOr:
    case ElementwiseOp::LogicalXor:
    case ElementwiseOp::Eq:
    case ElementwiseOp::Ne:
    case ElementwiseOp::Where: return true;
    default: return false;
  }
}

template <class T>
Run find(ElementwiseOp op) {
  static constexpr Run table[] = {
#define RUSHLIGHT_ELEMENTWISE(name, operands, real, integers, result) \
  entry<name, T, operands,                                            \
        is_provided<T>(Real::real, integers) && (sizeof(T) > 1 || is_for_bools(ElementwiseOp::name))>(),
#include "rushlight/kernels/elementwise/kernels.inc"
#undef RUSHLIGHT_ELEMENTWISE
  };
  return table[static_cast<int>(op)];
}

}  // namespace

Run elementwise_level(ElementwiseOp op, DType type) {
  switch (type) {
    case DType::Bool: return find<uint8_t>(op);
    case DType::Int32: return find<int32_t>(op);
    case DType::Int64: return find<int64_t>(op);
    case DType::Float32: return find<float>(op);
    default: return find<double>(op);
  }
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

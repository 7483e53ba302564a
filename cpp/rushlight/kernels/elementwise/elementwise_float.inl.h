// The whole of elementwise_<level>.cpp: the float32 functions of one level.
#pragma once

#include "rushlight/kernels/elementwise/fast_math.inl.h"
// smooth.inl.h uses the functions above
#include "rushlight/kernels/elementwise/elementwise.inl.h"
#include "rushlight/kernels/elementwise/tables.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

Run elementwise_float(ElementwiseOp op) {
  static constexpr Run table[] = {
#define RUSHLIGHT_ELEMENTWISE(name, operands, real, integers, result) \
  entry<name, float, operands, Real::real == Real::Vector>(),
#include "rushlight/kernels/elementwise/kernels.inc"
#undef RUSHLIGHT_ELEMENTWISE
  };
  return table[static_cast<int>(op)];
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

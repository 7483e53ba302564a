// What only the C library can do: the smooth functions of float64 and the remainders of both float types.
#define RUSHLIGHT_ISA_NS plain
#include "rushlight/kernels/elementwise/libm_math.inl.h"
// smooth.inl.h uses the functions above
#include "rushlight/kernels/elementwise/elementwise.inl.h"
#include "rushlight/kernels/elementwise/tables.h"

namespace rushlight::kernels::plain {
namespace {

template <class T>
Run find(ElementwiseOp op) {
  static constexpr Run table[] = {
#define RUSHLIGHT_ELEMENTWISE(name, operands, real, integers, result) \
  entry<name, T, operands, Real::real == Real::Libm || (Real::real == Real::Smooth && sizeof(T) == 8)>(),
#include "rushlight/kernels/elementwise/kernels.inc"
#undef RUSHLIGHT_ELEMENTWISE
  };
  return table[static_cast<int>(op)];
}

}  // namespace

Run elementwise_plain(ElementwiseOp op, DType type) {
  switch (type) {
    case DType::Float32: return find<float>(op);
    case DType::Float64: return find<double>(op);
    default: return nullptr;
  }
}

}  // namespace rushlight::kernels::plain

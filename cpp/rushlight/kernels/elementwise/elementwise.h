// Elementwise operations on strided operands of any element type.
//
// Operands are converted, block by block, to one of four computation types (float32 for the 16-bit floats,
// int32 for the integers up to 32 bits and, in what is no logic, bool) and handed as dense runs to one
// function per operation and type. So an operation is written once, over dense memory, and an element's value
// depends neither on strides nor on its position nor on the number of threads.
#pragma once

#include <cstdint>

#include "rushlight/base/dtype.h"

namespace rushlight::kernels {

enum class ElementwiseOp : int {
#define RUSHLIGHT_ELEMENTWISE(name, operands, real, integers, result) name,
#include "rushlight/kernels/elementwise/kernels.inc"
#undef RUSHLIGHT_ELEMENTWISE
  Count
};

// Numbers an operation takes besides tensors: `real` is read by float types, `integer` by integer types.
//   AddScaled, Addcmul, Addcdiv  [0] the factor: a + f * b, a + f * b * c, a + f * b / c
//   Clamp and its gradients      [0] lower and [1] upper bound, both always set
//   ThresholdBackward            [0] gradients pass where the operand is above it
//   MaskScale                    [0] factor of what the mask keeps
//   LeakyRelu                    [0] slope on the negative side
//   Softplus                     [0] beta, [1] threshold of beta * x above which it is the identity
//   Elu                          [0] scale of the negative side, [1] of the positive side, [2] of the input
//   RoundDecimals                [0] the power of ten to multiply by, [1] or else to divide by (the other is
//   1) ShiftLeft, ShiftRight        integer [0] width of the element type in bits
// The backward operations take what their forward takes.
struct ElementwiseScalars {
  double real[3] = {0, 0, 0};
  int64_t integer[3] = {0, 0, 0};
};

struct ElementwiseOperand {
  const void* data;
  const int64_t* strides;  // in elements; 0 and negative ones included
  DType dtype;
};

struct ElementwiseResult {
  void* data;
  const int64_t* strides;
  DType dtype;
};

int elementwise_operands(ElementwiseOp op);
bool elementwise_is_predicate(ElementwiseOp op);
// Whether the operation is defined on operands promoted to `dtype`.
bool elementwise_supports(ElementwiseOp op, DType dtype);

// dst[i] = op(src[0][i], src[1][i], ...) for every index i of `shape` (at most 64 dimensions).
// `dtype` is the promoted type of the operands, each of which is converted to it; the result, of that type or
// bool for predicates, is converted to dst.dtype. dst may be exactly one of the operands; other overlaps are
// not allowed. Integer division by zero gives 0 (has_zero tells beforehand); integer overflow wraps.
void elementwise(ElementwiseOp op, DType dtype, int ndim, const int64_t* shape, const ElementwiseResult& dst,
                 const ElementwiseOperand* src, const ElementwiseScalars& scalars = {});

// Whether any element of an integer operand is zero.
bool has_zero(int ndim, const int64_t* shape, const ElementwiseOperand& src);

namespace elementwise_detail {
// The operation on n dense elements; every src[k] of the computation type.
using Run = void (*)(int64_t n, void* dst, const void* const* src, const ElementwiseScalars& scalars);
}  // namespace elementwise_detail

}  // namespace rushlight::kernels

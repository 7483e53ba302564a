// What all elementwise ops share: broadcasting, the layout of the result, in-place forms, the kernel call.
#pragma once

#include <initializer_list>

#include "rushlight/kernels/elementwise/elementwise.h"
#include "rushlight/ops/scalar.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

using kernels::ElementwiseOp;
using kernels::ElementwiseScalars;

// One elementwise computation. `dtype` is the promoted type the operands are converted to; the result has it
// too, or bool for predicates.
struct Pointwise {
  const char* name;  // the op's, for errors
  ElementwiseOp op;
  DType dtype;
  std::initializer_list<const Tensor*> inputs;
  ElementwiseScalars scalars = {};
};

// A fresh result. It is stored channels-last if an operand of its shape is, else in the memory order of
// the first operand of its shape. No graph.
Tensor pointwise(const Pointwise& work);
// Into `out`, whose shape the operands broadcast to; converts to its type. No graph, no version bump, no
// checks.
void pointwise_into(const Tensor& out, const Pointwise& work);

// The two forms of an op: `out` is fresh, or it is inputs[0] changed in place. In place throws RuntimeError
// if the operands do not broadcast to out's shape or the result's type cannot be cast to out's.
struct PointwiseResult {
  Tensor out;
  Tensor first;  // stands for inputs[0] in the graph
  Tensor value;  // inputs[0] for backward to read: a copy, made only if asked for, where `out` overwrote it
};
enum class BackwardReads { Others, First };
PointwiseResult pointwise_result(bool in_place, const Pointwise& work,
                                 BackwardReads reads = BackwardReads::Others);

// Whether PyTorch lets a result of type `from` be written to a tensor of type `to`.
bool can_cast(DType from, DType to);

// The value of a 0-d tensor made from a Python number; false for all other tensors.
bool number_of(const Tensor& tensor, Number* number);
// The 0-d tensor of a number, weak in type promotion.
Tensor number_tensor(const Number& number);

// Throws RuntimeError if an integer type cannot hold the number (truncated, if it is a float). As in PyTorch
// a negative number may wrap into an unsigned type of its size.
void check_fits(const Number& number, DType dtype);
// The same for a tensor made from a Python number; other tensors pass.
void check_fits(const Tensor& value, DType dtype);

// {real, integer} of up to three numbers, in the order elementwise.h lists.
ElementwiseScalars scalars_of(const Number& first, const Number& second = 0, const Number& third = 0);

}  // namespace rushlight::ops

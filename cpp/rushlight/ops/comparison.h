// Comparison, logic and bits: broadcast and promote as arithmetic does; never differentiable.
#pragma once

#include <vector>

#include "rushlight/kernels/elementwise/elementwise.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

Tensor eq(const Tensor& input, const Tensor& other);
Tensor ne(const Tensor& input, const Tensor& other);
Tensor lt(const Tensor& input, const Tensor& other);
Tensor le(const Tensor& input, const Tensor& other);
Tensor gt(const Tensor& input, const Tensor& other);
Tensor ge(const Tensor& input, const Tensor& other);
Tensor logical_and(const Tensor& input, const Tensor& other);
Tensor logical_or(const Tensor& input, const Tensor& other);
Tensor logical_xor(const Tensor& input, const Tensor& other);

// An op of two operands without a gradient: its name, the kernel, and what the bindings say of it.
struct RelationRule {
  const char* name;
  kernels::ElementwiseOp op;
  const char* doc;
};
// Every op of this header, and the bitwise ones (which are not defined on floats).
const std::vector<RelationRule>& relation_rules();
Tensor relation(const RelationRule& rule, const Tensor& input, const Tensor& other, bool in_place = false);

// |input - other| <= atol + rtol * |other|; equal infinities are close.
Tensor isclose(const Tensor& input, const Tensor& other, double rtol, double atol, bool equal_nan);
bool allclose(const Tensor& input, const Tensor& other, double rtol, double atol, bool equal_nan);
// Same shape and elements.
bool equal(const Tensor& input, const Tensor& other);

}  // namespace rushlight::ops

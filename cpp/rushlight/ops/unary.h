// Elementwise functions of one tensor, described by rules: one line of a table is one op.
#pragma once

#include <vector>

#include "rushlight/ops/pointwise.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// What integer tensors give: a floating result, the operation on integers, themselves, or an error.
enum class Integers { ToFloat, Keep, Copy, Refuse };
// What backward reads.
enum class Saves { Nothing, Input, Result };

struct UnaryRule {
  const char* name;
  const char* grad_name;  // null: not differentiable (predicates, bits)
  ElementwiseOp op;
  Integers integers;
  Saves saves;
  // Gradient of the input from that of the result and what was saved (undefined for Saves::Nothing).
  Tensor (*backward)(const Tensor& grad, const Tensor& saved);
  const char* doc;
};

// Every rule, for the bindings: each is a function, a method and, for rules that are no predicates, a method
// `name_`.
const std::vector<const UnaryRule*>& unary_rules();

// Applies a rule; with `in_place` writes to `input` and returns it. `scalars` are the kernel's
// (elementwise.h).
Tensor unary(const UnaryRule& rule, const Tensor& input, bool in_place = false);

Tensor neg(const Tensor& input);
Tensor abs(const Tensor& input);
Tensor sign(const Tensor& input);
Tensor sqrt(const Tensor& input);
Tensor rsqrt(const Tensor& input);
Tensor reciprocal(const Tensor& input);
Tensor exp(const Tensor& input);
Tensor erf(const Tensor& input);
Tensor log(const Tensor& input);
Tensor sin(const Tensor& input);
Tensor cos(const Tensor& input);
Tensor sinh(const Tensor& input);
Tensor cosh(const Tensor& input);
Tensor tanh(const Tensor& input);
Tensor sigmoid(const Tensor& input);
Tensor logical_not(const Tensor& input);
Tensor bitwise_not(const Tensor& input);  // logical_not of bools
Tensor relu(const Tensor& input, bool in_place = false);
Tensor square(const Tensor& input, bool in_place = false);  // pow(input, 2)

// Rounds half to even at 10^-decimals.
Tensor round(const Tensor& input, int64_t decimals, bool in_place = false);

}  // namespace rushlight::ops

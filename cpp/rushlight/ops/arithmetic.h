// Arithmetic on tensors: broadcasts, promotes types (a Python number is a weak 0-d tensor), differentiable.
// `in_place` writes to the first operand and returns it.
#pragma once

#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/scalar.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

enum class Rounding { None, Trunc, Floor };  // of a quotient: true division, towards zero, towards -infinity

// input + alpha * other. RuntimeError if alpha is of a higher kind than the result (bool < integer < float).
Tensor add(const Tensor& input, const Tensor& other, const Number& alpha = 1, bool in_place = false);
// input - alpha * other; not defined on bool.
Tensor sub(const Tensor& input, const Tensor& other, const Number& alpha = 1, bool in_place = false);
// other - alpha * input
Tensor rsub(const Tensor& input, const Tensor& other, const Number& alpha = 1);
Tensor mul(const Tensor& input, const Tensor& other, bool in_place = false);
// RuntimeError on integer division by zero, for the rounding forms.
Tensor div(const Tensor& input, const Tensor& other, Rounding rounding = Rounding::None,
           bool in_place = false);
Tensor floor_divide(const Tensor& input, const Tensor& other, bool in_place = false);
Tensor remainder(const Tensor& input, const Tensor& other, bool in_place = false);  // sign of other
Tensor fmod(const Tensor& input, const Tensor& other, bool in_place = false);       // sign of input

// The same with a weak number, for formulas.
inline Tensor add(const Tensor& input, double other) { return add(input, number_tensor(other)); }
inline Tensor mul(const Tensor& input, double other) { return mul(input, number_tensor(other)); }

// self += other without graph or version bump: gradients being accumulated.
void add_raw(const Tensor& self, const Tensor& other);

// ---- ops/binary_math.cpp

Tensor pow(const Tensor& input, const Tensor& exponent, bool in_place = false);
Tensor atan2(const Tensor& input, const Tensor& other, bool in_place = false);
Tensor maximum(const Tensor& input, const Tensor& other);
Tensor minimum(const Tensor& input, const Tensor& other);
Tensor fmax(const Tensor& input, const Tensor& other);
Tensor fmin(const Tensor& input, const Tensor& other);
Tensor hypot(const Tensor& input, const Tensor& other, bool in_place = false);
Tensor copysign(const Tensor& input, const Tensor& other, bool in_place = false);
Tensor logaddexp(const Tensor& input, const Tensor& other);
Tensor xlogy(const Tensor& input, const Tensor& other, bool in_place = false);

}  // namespace rushlight::ops

#include "rushlight/ops/ternary.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rushlight/autograd/record.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/comparison.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/unary.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::record;
using autograd::recording;
using autograd::save_if;

Tensor zero() { return number_tensor(0.0); }

// Gradient of clamp with numbers: passes between the bounds, they included.
Tensor clamp_backward(const Tensor& grad, const Tensor& input, const ElementwiseScalars& scalars) {
  if (!autograd::grad_enabled())
    return pointwise({"clamp", ElementwiseOp::ClampBackward, input.dtype(), {&grad, &input}, scalars});
  const Tensor inside =
      logical_and(ge(input, number_tensor(scalars.real[0])), le(input, number_tensor(scalars.real[1])));
  return where(inside, grad, zero());
}

// Integer bounds are cut to what the computation type of narrow integers holds.
ElementwiseScalars bounds(const Number* min, const Number* max, DType dtype) {
  ElementwiseScalars scalars;
  const bool wide = dtype == DType::Int64;
  const int64_t lowest = wide ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int32_t>::min();
  const int64_t highest = wide ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int32_t>::max();
  scalars.real[0] = min != nullptr ? min->real : -HUGE_VAL;
  scalars.real[1] = max != nullptr ? max->real : HUGE_VAL;
  scalars.integer[0] = min != nullptr ? std::clamp(min->integer, lowest, highest) : lowest;
  scalars.integer[1] = max != nullptr ? std::clamp(max->integer, lowest, highest) : highest;
  return scalars;
}

Tensor clamp_numbers(const Tensor& input, const Tensor& min, const Tensor& max, const Number* low,
                     const Number* high, const char* name, bool in_place) {
  const DType dtype = result_type({&input, &min, &max});
  const ElementwiseScalars scalars = bounds(low, high, dtype);
  const auto [out, first, value] = pointwise_result(
      in_place, {"clamp", ElementwiseOp::Clamp, dtype, {&input}, scalars}, BackwardReads::First);
  if (recording(first))
    record(out, name, {first}, {value}, [scalars](Node& node, const Tensor& grad) -> Grads {
      return {clamp_backward(grad, node.saved(0), scalars)};
    });
  return out;
}

// One tensor bound: ties count as inside, as in PyTorch.
Tensor clamp_one_side(const Tensor& input, const Tensor& bound, bool is_min, const char* name,
                      bool in_place) {
  const DType dtype = result_type(input, bound);
  const auto [out, first, value] = pointwise_result(
      in_place, {"clamp", is_min ? ElementwiseOp::Maximum : ElementwiseOp::Minimum, dtype, {&input, &bound}},
      BackwardReads::First);
  if (recording(first, bound))
    record(out, name, {first, bound}, {value, bound}, [is_min](Node& node, const Tensor& grad) -> Grads {
      const Tensor x = node.saved(0);
      const Tensor inside = is_min ? ge(x, node.saved(1)) : le(x, node.saved(1));
      return {node.needs(0) ? where(inside, grad, zero()) : Tensor(),
              node.needs(1) ? where(inside, zero(), grad) : Tensor()};
    });
  return out;
}

Tensor clamp_tensors(const Tensor& input, const Tensor& min, const Tensor& max, bool in_place) {
  const DType dtype = result_type({&input, &min, &max});
  const auto [out, first, value] = pointwise_result(
      in_place, {"clamp", ElementwiseOp::ClampTensor, dtype, {&input, &min, &max}}, BackwardReads::First);
  if (recording(first, min, max))
    record(out, "ClampBackward0", {first, min, max}, {value, min, max},
           [](Node& node, const Tensor& grad) -> Grads {
             const Tensor x = node.saved(0);
             const Tensor low = node.saved(1);
             const Tensor high = node.saved(2);
             Grads grads(3);
             if (node.needs(0)) grads[0] = where(logical_and(ge(x, low), le(x, high)), grad, zero());
             if (node.needs(1)) grads[1] = where(logical_and(lt(low, high), lt(x, low)), grad, zero());
             if (node.needs(2)) grads[2] = where(logical_or(gt(x, high), ge(low, high)), grad, zero());
             return grads;
           });
  return out;
}

}  // namespace

Tensor where(const Tensor& condition, const Tensor& input, const Tensor& other) {
  RUSHLIGHT_CHECK(condition.dtype() == DType::Bool,
                  "where: expected condition to be a boolean tensor, but got a tensor with dtype ",
                  dtype_name(condition.dtype()));
  const Tensor out =
      pointwise({"where", ElementwiseOp::Where, result_type(input, other), {&condition, &input, &other}});
  if (recording(input, other))
    record(out, "WhereBackward0", {input, other}, {condition}, [](Node& node, const Tensor& grad) -> Grads {
      const Tensor chosen = node.saved(0);
      return {node.needs(0) ? where(chosen, grad, zero()) : Tensor(),
              node.needs(1) ? where(chosen, zero(), grad) : Tensor()};
    });
  return out;
}

Tensor masked_fill(const Tensor& input, const Tensor& mask, const Tensor& value, bool in_place) {
  RUSHLIGHT_CHECK(mask.dtype() == DType::Bool,
                  "masked_fill: only supports boolean masks, but got mask with dtype ",
                  dtype_name(mask.dtype()));
  RUSHLIGHT_CHECK(value.dim() == 0,
                  "masked_fill: only supports a 0-dimensional value tensor, but got tensor with ",
                  value.dim(), " dimension(s)");
  check_fits(value, input.dtype());
  Tensor out = input;
  Tensor first = input;
  if (in_place) {
    const Dims sizes = broadcast_sizes(input.sizes(), mask.sizes(), "masked_fill");
    RUSHLIGHT_CHECK(sizes == input.sizes(), "masked_fill_: mask of shape ", to_string(mask.sizes()),
                    " does not expand to the tensor's shape ", to_string(input.sizes()));
    const autograd::InPlace change(input, "masked_fill_");
    pointwise_into(input, {"masked_fill_", ElementwiseOp::Where, input.dtype(), {&mask, &value, &input}});
    change.written();
    first = change.before;
  } else {
    out = pointwise({"masked_fill", ElementwiseOp::Where, input.dtype(), {&mask, &value, &input}});
  }
  if (recording(first, value)) {
    const bool number = value.impl()->wrapped_number;
    record(out, number ? "MaskedFillBackward0" : "MaskedFillBackward1",
           number ? std::vector<Tensor>{first} : std::vector<Tensor>{first, value}, {mask},
           [](Node& node, const Tensor& grad) -> Grads {
             const Tensor filled = node.saved(0);
             return {node.needs(0) ? masked_fill(grad, filled, zero()) : Tensor(),
                     node.needs(1) ? where(filled, grad, zero()) : Tensor()};
           });
  }
  return out;
}

namespace {

// clamp, clamp_min and clamp_max; `names` are those of their nodes for number and for tensor bounds.
Tensor clamp_as(const char* const (&names)[2], const Tensor& input, const Tensor& min, const Tensor& max,
                bool in_place) {
  RUSHLIGHT_CHECK(min.defined() || max.defined(), "clamp: At least one of 'min' or 'max' must not be None");
  RUSHLIGHT_CHECK_AS(NotImplementedError, input.dtype() != DType::Bool, "clamp: not implemented for bool");
  Number low;
  Number high;
  const bool low_is_number = min.defined() && number_of(min, &low) && !std::isnan(low.real);
  const bool high_is_number = max.defined() && number_of(max, &high) && !std::isnan(high.real);
  if ((low_is_number || !min.defined()) && (high_is_number || !max.defined()))
    return clamp_numbers(input, min, max, low_is_number ? &low : nullptr, high_is_number ? &high : nullptr,
                         names[0], in_place);
  if (!max.defined()) return clamp_one_side(input, min, true, names[1], in_place);
  if (!min.defined()) return clamp_one_side(input, max, false, names[1], in_place);
  return clamp_tensors(input, min, max, in_place);
}

}  // namespace

Tensor clamp(const Tensor& input, const Tensor& min, const Tensor& max, bool in_place) {
  return clamp_as({"ClampBackward1", "ClampBackward0"}, input, min, max, in_place);
}
Tensor clamp_min(const Tensor& input, const Tensor& min, bool in_place) {
  return clamp_as({"ClampMinBackward0", "ClampMinBackward1"}, input, min, {}, in_place);
}
Tensor clamp_max(const Tensor& input, const Tensor& max, bool in_place) {
  return clamp_as({"ClampMaxBackward0", "ClampMaxBackward1"}, input, {}, max, in_place);
}

Tensor addcmul(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, const Number& value,
               bool in_place) {
  const DType dtype = result_type({&input, &tensor1, &tensor2});
  RUSHLIGHT_CHECK(
      is_floating(dtype) || !value.is_floating(),
      "addcmul: for integral input tensors, argument value must not be a floating point number, got ",
      value.real);
  const auto [out, first, old] = pointwise_result(
      in_place, {"addcmul", ElementwiseOp::Addcmul, dtype, {&input, &tensor1, &tensor2}, scalars_of(value)});
  if (recording(first, tensor1, tensor2))
    record(out, "AddcmulBackward0", {first, tensor1, tensor2},
           {save_if(tensor2.requires_grad(), tensor1), save_if(tensor1.requires_grad(), tensor2)},
           [value](Node& node, const Tensor& grad) -> Grads {
             const Tensor factor = number_tensor(value);
             return {node.needs(0) ? grad : Tensor(),
                     node.needs(1) ? mul(grad, mul(node.saved(1), factor)) : Tensor(),
                     node.needs(2) ? mul(grad, mul(node.saved(0), factor)) : Tensor()};
           });
  return out;
}

Tensor addcdiv(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, const Number& value,
               bool in_place) {
  const DType dtype = result_type({&input, &tensor1, &tensor2});
  RUSHLIGHT_CHECK(is_floating(dtype),
                  "addcdiv: Integer division with addcdiv is no longer supported, got tensors promoted to ",
                  dtype_name(dtype), ". Convert one of them to a floating type");
  const auto [out, first, old] = pointwise_result(
      in_place, {"addcdiv", ElementwiseOp::Addcdiv, dtype, {&input, &tensor1, &tensor2}, scalars_of(value)});
  if (recording(first, tensor1, tensor2))
    record(out, "AddcdivBackward0", {first, tensor1, tensor2},
           {save_if(tensor2.requires_grad(), tensor1), tensor2},
           [value](Node& node, const Tensor& grad) -> Grads {
             const Tensor divisor = node.saved(1);
             const Tensor share = div(mul(grad, number_tensor(value)), divisor);
             Tensor grad_divisor;
             if (node.needs(2)) grad_divisor = neg(mul(share, div(node.saved(0), divisor)));
             return {node.needs(0) ? grad : Tensor(), node.needs(1) ? share : Tensor(), grad_divisor};
           });
  return out;
}

Tensor lerp(const Tensor& input, const Tensor& end, const Tensor& weight, bool in_place) {
  const bool is_number = weight.impl()->wrapped_number;
  RUSHLIGHT_CHECK(end.dtype() == input.dtype(), "lerp: expected dtype ", dtype_name(input.dtype()),
                  " for `end` but got dtype ", dtype_name(end.dtype()));
  RUSHLIGHT_CHECK(is_number || weight.dtype() == input.dtype(), "lerp: expected dtype ",
                  dtype_name(input.dtype()), " for `weight` but got dtype ", dtype_name(weight.dtype()));
  const bool weighs = weight.requires_grad();
  const auto [out, first, value] =
      pointwise_result(in_place, {"lerp", ElementwiseOp::Lerp, input.dtype(), {&input, &end, &weight}},
                       weighs ? BackwardReads::First : BackwardReads::Others);
  if (recording(first, end, weight))
    record(out, is_number ? "LerpBackward0" : "LerpBackward1", {first, end, weight},
           {weight, save_if(weighs, value), save_if(weighs, end)},
           [](Node& node, const Tensor& grad) -> Grads {
             const Tensor w = node.saved(0);
             Grads grads(3);
             if (node.needs(0)) grads[0] = mul(grad, sub(number_tensor(1), w));
             if (node.needs(1)) grads[1] = mul(grad, w);
             if (node.needs(2)) grads[2] = mul(grad, sub(node.saved(2), node.saved(1)));
             return grads;
           });
  return out;
}

}  // namespace rushlight::ops

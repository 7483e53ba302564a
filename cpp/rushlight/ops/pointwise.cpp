#include "rushlight/ops/pointwise.h"

#include <limits>

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/ops/copy.h"

namespace rushlight::ops {
namespace {

constexpr size_t kMaxInputs = 3;

Dims common_sizes(const Pointwise& work) {
  const Tensor* first = *work.inputs.begin();
  Dims sizes = first->sizes();
  for (const Tensor* input : work.inputs)
    if (input->sizes() != sizes) sizes = broadcast_sizes(sizes, input->sizes(), work.name);
  return sizes;
}

Tensor empty_result(const Pointwise& work, const Dims& sizes, DType dtype) {
  const Tensor* model = nullptr;
  for (const Tensor* input : work.inputs) {
    if (input->sizes() != sizes) continue;
    if (input->is_channels_last()) return Tensor::empty_channels_last(sizes, dtype);
    if (model == nullptr) model = input;
  }
  return model == nullptr || model->is_contiguous() ? Tensor::empty(sizes, dtype)
                                                    : empty_like_layout(*model, dtype);
}

bool same_memory(const Tensor& a, const Tensor& b) {
  return a.offset() == b.offset() && a.dtype() == b.dtype() && a.sizes() == b.sizes() &&
         a.strides() == b.strides();
}

}  // namespace

Number::Number(double value)
    : real(value), integer(kernels::convert_element<int64_t>(value)), dtype(DType::Float64) {}

void pointwise_into(const Tensor& out, const Pointwise& work) {
  const Access to = out.access();
  Access from[kMaxInputs];
  kernels::ElementwiseOperand operands[kMaxInputs];
  size_t k = 0;
  for (const Tensor* input : work.inputs) {
    from[k] = input->access();
    if (input->sizes() != out.sizes())
      from[k].strides = broadcast_strides(input->sizes(), from[k].strides, out.sizes());
    operands[k] = {from[k].data, from[k].strides.data(), input->dtype()};
    ++k;
  }
  kernels::elementwise(work.op, work.dtype, static_cast<int>(out.dim()), out.sizes().data(),
                       {to.data, to.strides.data(), out.dtype()}, operands, work.scalars);
}

Tensor pointwise(const Pointwise& work) {
  RUSHLIGHT_CHECK_AS(NotImplementedError, kernels::elementwise_supports(work.op, work.dtype), work.name,
                     ": not implemented for ", dtype_name(work.dtype));
  const DType dtype = kernels::elementwise_is_predicate(work.op) ? DType::Bool : work.dtype;
  Tensor out = empty_result(work, common_sizes(work), dtype);
  pointwise_into(out, work);
  return out;
}

PointwiseResult pointwise_result(bool in_place, const Pointwise& work, BackwardReads reads) {
  const Tensor& self = **work.inputs.begin();
  if (!in_place) return {pointwise(work), self, self};
  RUSHLIGHT_CHECK_AS(NotImplementedError, kernels::elementwise_supports(work.op, work.dtype), work.name,
                     ": not implemented for ", dtype_name(work.dtype));
  const DType dtype = kernels::elementwise_is_predicate(work.op) ? DType::Bool : work.dtype;
  RUSHLIGHT_CHECK(can_cast(dtype, self.dtype()), work.name, ": result type ", dtype_name(dtype),
                  " can't be cast to the desired output type ", dtype_name(self.dtype()),
                  " of the tensor changed in place");
  const Dims sizes = common_sizes(work);
  RUSHLIGHT_CHECK(sizes == self.sizes(), work.name, ": output with shape ", to_string(self.sizes()),
                  " doesn't match the broadcast shape ", to_string(sizes));
  bool recorded = false;
  for (const Tensor* input : work.inputs) recorded = recorded || autograd::recording(*input);
  Tensor value;
  if (recorded && reads == BackwardReads::First) value = clone(self);
  const autograd::InPlace change(self, work.name);
  // An operand that overlaps the target otherwise than element on element is read before anything is written.
  Tensor copies[kMaxInputs];
  const Tensor* inputs[kMaxInputs] = {};
  size_t count = 0;
  for (const Tensor* input : work.inputs) {
    const bool overlaps = &input->storage() == &self.storage() && !same_memory(*input, self);
    inputs[count] = overlaps ? &(copies[count] = clone(autograd::detach(*input))) : input;
    ++count;
  }
  switch (count) {
    case 1: pointwise_into(self, {work.name, work.op, work.dtype, {inputs[0]}, work.scalars}); break;
    case 2:
      pointwise_into(self, {work.name, work.op, work.dtype, {inputs[0], inputs[1]}, work.scalars});
      break;
    default:
      pointwise_into(self, {work.name, work.op, work.dtype, {inputs[0], inputs[1], inputs[2]}, work.scalars});
  }
  change.written();
  return {self, change.before, value};
}

bool can_cast(DType from, DType to) {
  if (is_floating(from)) return is_floating(to);
  return from == DType::Bool || to != DType::Bool;
}

bool number_of(const Tensor& tensor, Number* number) {
  if (!tensor.impl()->wrapped_number) return false;
  switch (tensor.dtype()) {
    case DType::Bool: *number = Number::boolean(*tensor.data<bool>()); break;
    case DType::Int64: *number = *tensor.data<int64_t>(); break;
    default: *number = *tensor.data<double>();
  }
  return true;
}

Tensor number_tensor(const Number& number) {
  Tensor result = number.is_floating() ? Tensor::scalar(number.real, DType::Float64)
                                       : Tensor::scalar(number.integer, number.dtype);
  result.impl()->wrapped_number = true;
  return result;
}

void check_fits(const Number& number, DType dtype) {
  if (!is_integral(dtype) || dtype == DType::Bool) return;
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T>) {
      using Limits = std::numeric_limits<T>;
      const int64_t high = Limits::max();
      const int64_t low = std::is_signed_v<T> ? static_cast<int64_t>(Limits::min()) : -high;
      const bool fits = number.is_floating() ? number.real >= static_cast<double>(low) &&
                                                   number.real < static_cast<double>(high / 2 + 1) * 2
                                             : number.integer >= low && number.integer <= high;
      RUSHLIGHT_CHECK(fits, "value cannot be converted to type ", dtype_name(dtype),
                      " without overflow: got ",
                      number.is_floating() ? str(number.real) : str(number.integer));
    }
  });
}

void check_fits(const Tensor& value, DType dtype) {
  Number number;
  if (number_of(value, &number)) check_fits(number, dtype);
}

ElementwiseScalars scalars_of(const Number& first, const Number& second, const Number& third) {
  return {{first.real, second.real, third.real}, {first.integer, second.integer, third.integer}};
}

}  // namespace rushlight::ops

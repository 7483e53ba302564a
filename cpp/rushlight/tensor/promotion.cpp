#include "rushlight/tensor/promotion.h"

#include <algorithm>
#include <atomic>

namespace rushlight {
namespace {

std::atomic<DType> default_type{DType::Float32};

enum class Kind { None, Bool, Integer, Floating };

Kind kind_of(DType dtype) {
  if (is_floating(dtype)) return Kind::Floating;
  return dtype == DType::Bool ? Kind::Bool : Kind::Integer;
}

// The promoted type of one rank of operands.
struct Rank {
  Kind kind = Kind::None;
  DType dtype = DType::Bool;
  void add(DType other) {
    dtype = kind == Kind::None ? other : promote(dtype, other);
    kind = kind_of(dtype);
  }
};

Rank outrank(const Rank& higher, const Rank& lower) {
  if (lower.kind <= higher.kind) return higher;
  Rank result = lower;
  if (higher.kind != Kind::None) result.add(higher.dtype);
  return result;
}

}  // namespace

DType promote(DType a, DType b) {
  if (a > b) std::swap(a, b);
  if (a == b || a == DType::Bool) return b;
  if (a == DType::UInt8 && b == DType::Int8) return DType::Int16;
  if (a == DType::Float16 && b == DType::BFloat16) return DType::Float32;
  return b;
}

DType result_type(std::initializer_list<const Tensor*> operands) {
  Rank with_dims;
  Rank zero_dim;
  Rank numbers;
  for (const Tensor* operand : operands) {
    if (!operand->defined()) continue;
    const DType dtype = operand->dtype();
    if (operand->impl()->wrapped_number)
      numbers.add(is_floating(dtype) ? default_dtype() : dtype);
    else
      (operand->dim() == 0 ? zero_dim : with_dims).add(dtype);
  }
  return outrank(with_dims, outrank(zero_dim, numbers)).dtype;
}

DType default_dtype() { return default_type.load(std::memory_order_relaxed); }

void set_default_dtype(DType dtype) {
  RUSHLIGHT_CHECK_TYPE(is_floating(dtype),
                       "only floating-point types are supported as the default type, got ",
                       dtype_name(dtype));
  default_type.store(dtype);
}

}  // namespace rushlight

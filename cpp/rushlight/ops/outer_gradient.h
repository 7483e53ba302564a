// Weight gradients that are kept as factors: see Note [Deferred values].
#pragma once

#include <memory>
#include <utility>

#include "rushlight/kernels/gemm/outer_sum.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// left (terms, rows), right (terms, columns), both float32 in plain memory that nobody else changes.
class OuterGradient : public DeferredValues {
 public:
  OuterGradient(Tensor left, Tensor right) : left_(std::move(left)), right_(std::move(right)) {}
  // A tensor of rows * columns values in this order.
  static Tensor make(const Dims& sizes, Tensor left, Tensor right) {
    return Tensor::deferred(sizes, DType::Float32,
                            std::make_shared<OuterGradient>(std::move(left), std::move(right)));
  }

  // Those of `tensor` if that is how it is kept, all of it and in order; else null.
  static std::shared_ptr<const OuterGradient> of(const Tensor& tensor) {
    if (!tensor.is_contiguous() || tensor.nbytes() != tensor.storage().nbytes()) return nullptr;
    return std::dynamic_pointer_cast<const OuterGradient>(tensor.storage().deferred());
  }

  kernels::OuterSum factors() const {
    return {left_.size(1), right_.size(1), left_.size(0), left_.data<float>(), right_.data<float>()};
  }
  void write(char* to) const override { kernels::outer_sum(factors(), reinterpret_cast<float*>(to)); }

 private:
  Tensor left_, right_;
};

}  // namespace rushlight::ops

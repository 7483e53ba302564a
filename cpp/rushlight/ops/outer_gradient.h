// Weight gradients that are kept as factors: see Note [Deferred values].
#pragma once

#include <memory>
#include <utility>

#include "rushlight/kernels/outer_sum.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// left (terms, rows), right (terms, columns), both float32 in plain memory.
class OuterGradient : public DeferredValues {
 public:
  OuterGradient(Tensor left, Tensor right) : left_(std::move(left)), right_(std::move(right)) {}

  kernels::OuterSum factors() const {
    return {left_.size(1), right_.size(1), left_.size(0), left_.data<float>(), right_.data<float>()};
  }
  void write(char* to) const override;

  // Those of `tensor` if that is how it is kept, all of it and in order; else null.
  static std::shared_ptr<const OuterGradient> of(const Tensor& tensor) {
    if (!tensor.is_contiguous() || tensor.nbytes() != tensor.storage().nbytes()) return nullptr;
    return std::dynamic_pointer_cast<const OuterGradient>(tensor.storage().deferred());
  }

 private:
  Tensor left_, right_;
};

}  // namespace rushlight::ops

// The geometry of one reduction: which dimensions go, what the result looks like, how gradients come back.
#pragma once

#include <vector>

#include "rushlight/kernels/reduce/reduce.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

struct ReducePlan {
  // `dims` empty: all. Throws IndexError for a bad and RuntimeError for a repeated dimension.
  ReducePlan(const Tensor& input, const Dims& dims, bool keepdim);

  std::vector<bool> reduced;  // by dimension of the input
  Dims from;                  // sizes of the input
  Dims ones;                  // the same with 1 for reduced dimensions
  Dims sizes;                 // of the result
  int64_t count = 1;          // elements that go into one of the result
  bool all;                   // no dimensions were named

  kernels::ReduceLayout layout(const Access& input) const;
  // A result (or its gradient) with the reduced dimensions as 1: it broadcasts against the input.
  Tensor keep(const Tensor& result) const;
  // Throws as PyTorch does for max() and its kin unless every result has elements; `one_dim`: the op takes
  // one `dim`.
  void check_not_empty(const char* op, bool one_dim) const;
};

}  // namespace rushlight::ops

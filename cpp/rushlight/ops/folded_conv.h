// A convolution and the evaluating batch norm behind it as one convolution.
#pragma once

#include <array>

#include "rushlight/ops/conv.h"

namespace rushlight::ops {

// The parts of the two layers; conv_bias, norm_weight and norm_bias may be undefined.
struct ConvNorm {
  Tensor weight, conv_bias;
  Tensor running_mean, running_var, norm_weight, norm_bias;
  double eps;
};

// Keeps the folded weights until one of the tensors they come from changes. Called by one thread at a time,
// except where an op inside lets others in (HeavyWork).
class FoldedConv {
 public:
  // relu(norm(conv(input)) + residual) in one pass, with or without the last two. Undefined if it must be
  // done by single ops: a graph would be recorded, types are mixed or have no kernel, the residual
  // broadcasts, or code outside can write a parameter's memory unseen.
  Tensor run(const Tensor& input, const ConvNorm& layers, const Tensor& residual, bool relu,
             const Conv2dOptions& options, bool lowered = false);

 private:
  // A tensor as it was when the weights were folded; holding it keeps its address from being used again.
  struct Source {
    Tensor tensor;
    uint64_t stamp = 1;  // of what is not given
  };
  bool refresh(const ConvNorm& layers, DType dtype);

  std::array<Source, 6> sources_;
  double eps_ = -1.0;
  Tensor weight_;
  Tensor bias_;
};

}  // namespace rushlight::ops

// What forward and backward of batch normalisation share.
#pragma once

#include <vector>

#include "rushlight/autograd/node.h"
#include "rushlight/kernels/batch_norm/batch_norm.h"
#include "rushlight/kernels/pool2d/pool2d.h"

namespace rushlight::ops::batch_norm_detail {

// The input as the kernels see it.
struct Layout {
  explicit Layout(const Tensor& input);
  // `other` in the memory order of the input.
  Tensor like(const Tensor& other) const;
  Tensor empty() const;
  int64_t count() const { return shape.batch * shape.spatial; }

  Tensor tensor;
  kernels::BatchNormShape shape;
};

// What the kernels compute in, and the type of coefficients: 16-bit floats are widened.
DType computation_type(DType dtype);

// Rows of the coefficients a batch norm keeps for its backward.
enum Row : int64_t { kCenter, kScale, kShift, kInverse };

// Rows of one value a channel, in the type of the computation.
Tensor channel_rows(std::initializer_list<const std::vector<double>*> rows, DType dtype);
const char* row_of(const Tensor& rows, int64_t i);
// One such row as a tensor: a gradient of weight or bias.
Tensor channel_tensor(const std::vector<double>& values, DType dtype);
// The values of a tensor of one value a channel, `missing` if it is undefined.
std::vector<double> channel_values(const Tensor& tensor, int64_t channels, double missing);

// The normalised input, plus `residual` (undefined: none), through a ReLU if asked for.
Tensor normalised(const Layout& layout, const Tensor& rows, const Tensor& residual, bool relu);

// Nodes, not yet connected. They save (input, weight, rows, running mean, running variance), nothing, the
// result if it `has_result`, and which elements were chosen. A ReLU right behind a batch norm, or behind its
// sum with a residual, runs backward together with it, and so does a max pooling behind the ReLU of a batch
// norm in training.
std::shared_ptr<autograd::Node> make_norm_node(bool training, double eps);
std::shared_ptr<autograd::Node> make_norm_sum_node();
std::shared_ptr<autograd::Node> make_norm_relu_node(bool has_result);
std::shared_ptr<autograd::Node> make_norm_pool_node(const kernels::Pool2dParams& params);

}  // namespace rushlight::ops::batch_norm_detail

// Indexing with tensors: x[index, mask, ...], read and write. See bindings/bind_indexing.cpp for the syntax.
#pragma once

#include <vector>

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

// One entry a dimension (missing ones are whole): an integer tensor, a bool or uint8 mask (which stands
// for as many dimensions as it has), or undefined for the whole dimension. Integer tensors broadcast
// together; their shape comes where the first one stands, or in front if they are not neighbours.
// Throws IndexError for indices out of range, masks of another shape, and too many indices.
Tensor index(const Tensor& input, const std::vector<Tensor>& indices);
// x[indices] = values, or += with accumulate (in a fixed order). `values` broadcasts to the indexed shape.
Tensor index_put(const Tensor& input, const std::vector<Tensor>& indices, const Tensor& values,
                 bool accumulate);
Tensor index_put_(const Tensor& self, const std::vector<Tensor>& indices, const Tensor& values,
                  bool accumulate);
// Positions of the nonzero elements, (count, dim), in row-major order.
Tensor nonzero(const Tensor& input);

}  // namespace rushlight::ops

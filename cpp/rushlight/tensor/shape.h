// Sizes and strides of tensors, counted in elements.
#pragma once

#include <cstdint>
#include <string>

#include "rushlight/base/small_vector.h"

namespace rushlight {

using Dims = SmallVector<int64_t, 5>;

// "(2, 3)", "(2,)", "()": as Python prints a tuple.
std::string to_string(const Dims& dims);

// Product of the sizes; throws RuntimeError on negative sizes and on overflow of int64.
int64_t numel_of(const Dims& sizes);

// Row-major strides, as PyTorch computes them (a size of 0 counts as 1).
Dims contiguous_strides(const Dims& sizes);
// Strides of an (N, C, H, W) tensor whose memory order is N, H, W, C.
Dims channels_last_strides(const Dims& sizes);
bool is_contiguous(const Dims& sizes, const Dims& strides);

// The shape both operands broadcast to; throws RuntimeError naming both shapes and the dimension.
Dims broadcast_sizes(const Dims& a, const Dims& b, const char* op);
// Strides that read a tensor of `sizes`/`strides` as if expanded to `target` (0 where repeated).
Dims broadcast_strides(const Dims& sizes, const Dims& strides, const Dims& target);

// Maps a dimension from [-dims, dims) to [0, dims); throws IndexError as PyTorch words it.
// A 0-d tensor accepts 0 and -1.
int64_t wrap_dim(int64_t dim, int64_t dims);

// The same for a dimension that must be there: a 0-d tensor has none to give the size of.
int64_t existing_dim(int64_t dim, int64_t dims);

// Replaces one -1 in `sizes` so that the product is `numel`; throws RuntimeError if impossible.
Dims infer_size(const Dims& sizes, int64_t numel);

// Finds strides that view `sizes`/`strides` as `target` without a copy; false if there are none.
bool view_strides(const Dims& sizes, const Dims& strides, const Dims& target, Dims* result);

}  // namespace rushlight

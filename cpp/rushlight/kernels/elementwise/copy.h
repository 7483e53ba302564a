// Copying and filling strided memory, with conversion between any two element types.
#pragma once

#include <cstdint>

#include "rushlight/base/dtype.h"

namespace rushlight::kernels {

// dst[i] = convert(src[i]) for every index i of `shape` (at most 64 dimensions).
// Strides count elements and may be 0 or negative; dst and src must not overlap, and dst must not
// reach one element by two indices.
// Conversion follows PyTorch: to bool is `value != 0` (NaN is true), to an integer type truncates
// towards zero, integers wrap, 64-bit values reach the 16-bit floats through float32. Floats outside
// the integer type, NaN included, give what x86 gives: the lowest int64 or int32; narrower types
// take the low bits of that (uint8 those of the int64, int8 and int16 those of the int32).
void copy(int ndim, const int64_t* shape, DType src_dtype, const void* src, const int64_t* src_strides,
          DType dst_dtype, void* dst, const int64_t* dst_strides);

// dst[i] = *value for every index i of `shape`; value points to one element of type `dtype`.
void fill(int ndim, const int64_t* shape, DType dtype, void* dst, const int64_t* strides, const void* value);

// dst[i] = convert(src[i]) for i < count, both dense.
void convert(int64_t count, DType src_dtype, const void* src, DType dst_dtype, void* dst);

}  // namespace rushlight::kernels

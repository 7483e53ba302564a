// Reading and writing tensors through integer indices: x[i, j], gather, scatter, index_select, nonzero.
// Strides count elements. Bad indices raise IndexError (gather and scatter: RuntimeError, as in PyTorch)
// before anything is written.
#pragma once

#include <cstdint>
#include <vector>

#include "rushlight/base/dtype.h"
#include "rushlight/kernels/strided.h"

namespace rushlight::kernels {

// A dimension of the indexed tensor that an index array addresses.
struct IndexedDim {
  int64_t dim;  // its number, for the error text
  int64_t size;
  int64_t stride;
  const int64_t* index;  // `count` values in [-size, size), contiguous
};

// x[index0, index1, ...]: `count` index tuples, each addressing a block of x spanned by the other dimensions.
struct IndexParams {
  DType dtype;
  int64_t count;
  std::vector<IndexedDim> dims;
  int64_t values_step;               // between the blocks of neighbouring tuples in `values`; 0 broadcasts
  std::vector<StridedDim<2>> block;  // strides: {in the indexed tensor, in values}; empty: one element
};

// values[t] = base[index tuple t]
void index_read(const IndexParams& params, const void* base, void* values);
// base[index tuple t] = values[t]; of several writes to one place the last tuple wins.
void index_write(const IndexParams& params, void* base, const void* values);
// base[index tuple t] += values[t], added in the order of the tuples.
void index_accumulate(const IndexParams& params, void* base, const void* values);

// gather and scatter: `index` has the shape of `dims` and is contiguous; every position p of it pairs
// table[p with p[dim] = index[p]] with other[p].
struct GatherParams {
  const char* op;  // for the error text
  DType dtype;
  size_t dim;
  int64_t table_size;               // of the table along dim; indices lie in [0, table_size)
  std::vector<StridedDim<2>> dims;  // strides: {in table, in other}
  const int64_t* index;
};

enum class ScatterReduce { Sum, Prod, Max, Min };

// other = table[index]
void gather(const GatherParams& params, const void* table, void* other);
// table[index] = other; of several writes to one place the last in row-major order wins.
void scatter(const GatherParams& params, void* table, const void* other);
// table[index] = reduce(table[index], other), in row-major order.
void scatter_reduce(const GatherParams& params, ScatterReduce reduce, void* table, const void* other);

// Number of nonzero elements of n contiguous ones.
int64_t count_nonzero(DType dtype, const void* src, int64_t n);
// Flat positions of the nonzero elements of n contiguous ones, ascending; `dst` holds count_nonzero values.
void nonzero(DType dtype, const void* src, int64_t n, int64_t* dst);

}  // namespace rushlight::kernels

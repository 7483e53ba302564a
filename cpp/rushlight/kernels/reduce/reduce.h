// Reductions over any dimensions of a strided tensor. Results never depend on the number of threads: work is
// cut by the shape and partial results are combined in order. NaNs reach the result of every reduction that
// reads them.
#pragma once

#include <cstdint>
#include <vector>

#include "rushlight/base/dtype.h"
#include "rushlight/kernels/strided.h"

namespace rushlight::kernels {

// Results are stored contiguously over `kept` in row-major order. Either list may be empty.
struct ReduceLayout {
  std::vector<StridedDim<1>> kept;
  std::vector<StridedDim<1>> reduced;
};

enum class ReduceOp { Sum, Mean, Prod, Max, Min, Any, All };

// Result types: Sum and Prod of integers and bool int64, of floats the same; Mean (floats only), Max, Min the
// same; Any and All bool. Max and Min need at least one reduced element.
void reduce(ReduceOp op, DType dtype, const ReduceLayout& layout, const void* src, void* dst);

// Max or min together with its flat position in row-major order over `reduced`: the first of equal elements,
// the first NaN if there is one. `values` may be null. Needs at least one reduced element.
void reduce_arg(bool want_max, DType dtype, const ReduceLayout& layout, const void* src, void* values,
                int64_t* index);

// Vector p-norm of floats: p = 0 counts nonzeros, +-infinity are the largest and smallest magnitude.
void reduce_norm(double p, DType dtype, const ReduceLayout& layout, const void* src, void* dst);

// Mean and sum of squared deviations divided by max(0, count - correction); NaN where that is 0. Floats only.
// `mean` may be null.
void reduce_var(double correction, bool take_root, DType dtype, const ReduceLayout& layout, const void* src,
                void* var, void* mean);

// The same in full precision for float32 and float64: biased variance (batch normalisation's statistics).
void reduce_moments(DType dtype, const ReduceLayout& layout, const void* src, double* mean, double* var);

}  // namespace rushlight::kernels

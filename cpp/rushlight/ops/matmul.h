// Matrix products. All are differentiable; integers wrap around, 16-bit floats are computed in float32.
#pragma once

#include "rushlight/tensor/tensor.h"

namespace rushlight::ops {

Tensor mm(const Tensor& input, const Tensor& mat2);    // (m, k) (k, n) -> (m, n)
Tensor bmm(const Tensor& input, const Tensor& mat2);   // (b, m, k) (b, k, n) -> (b, m, n)
Tensor mv(const Tensor& input, const Tensor& vec);     // (m, k) (k) -> (m)
Tensor dot(const Tensor& input, const Tensor& other);  // (k) (k) -> ()
Tensor outer(const Tensor& input, const Tensor& vec2);
// PyTorch's rules: vectors gain and lose a dimension, leading dimensions broadcast.
Tensor matmul(const Tensor& input, const Tensor& other);

// beta * input + alpha * (a b); input broadcasts and is not read if beta is 0.
struct Scales {
  double beta = 1, alpha = 1;
};
Tensor addmm(const Tensor& input, const Tensor& mat1, const Tensor& mat2, Scales scales = {});
Tensor baddbmm(const Tensor& input, const Tensor& batch1, const Tensor& batch2, Scales scales = {});
Tensor addmv(const Tensor& input, const Tensor& mat, const Tensor& vec, Scales scales = {});

// (..., in) (out, in) -> (..., out), plus bias (out,) unless undefined.
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias);

// How exact float32 products of matrices and convolutions are on CPUs with bfloat16 tiles; elsewhere all are
// float32: Highest float32, High 16 bits of each factor, Medium the 8 bits of bfloat16. Sums are float32.
enum class MatmulPrecision { Highest, High, Medium };
void set_float32_matmul_precision(MatmulPrecision precision);
MatmulPrecision get_float32_matmul_precision();
// Whether products of bfloat16 operands are computed as such; elsewhere they are computed in float32.
bool has_bfloat16_units();

}  // namespace rushlight::ops

#include "rushlight/ops/matmul.h"

#include <type_traits>

#include "rushlight/autograd/record.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/gemm/gemm.h"
#include "rushlight/kernels/gemm/split.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/outer_gradient.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

// One matrix product of raw operands seen as (batch, rows, columns).
struct Product {
  int64_t batch, m, n, k;
  int64_t a_batch, a_row, a_col, b_batch, b_row, b_col;
};

// T: of the matrices in memory. False if it must be done in a wider type.
template <class T>
bool multiply(const Product& p, const Access& a, const Access& b, const Tensor& out, bool accumulate,
              const Tensor& bias) {
  kernels::GemmArgs<T> args;
  args.m = p.m, args.n = p.n, args.k = p.k, args.batch = p.batch;
  args.a = reinterpret_cast<const T*>(a.data), args.a_batch = p.a_batch, args.a_row = p.a_row,
  args.a_col = p.a_col;
  args.b = reinterpret_cast<const T*>(b.data), args.b_batch = p.b_batch, args.b_row = p.b_row,
  args.b_col = p.b_col;
  args.c = reinterpret_cast<T*>(out.raw_data()), args.c_batch = p.m * p.n, args.c_row = p.n;
  args.accumulate = accumulate;
  if (bias.defined()) args.bias = bias.data<kernels::Wide<T>>();
  const HeavyWork heavy(p.batch * p.m * p.n * p.k);
  if constexpr (std::is_same_v<T, uint16_t>) {
    return kernels::gemm_bf16(args);
  } else {
    kernels::gemm(args);
    return true;
  }
}

bool is_half(DType dtype) { return dtype == DType::Float16 || dtype == DType::BFloat16; }

// out (contiguous) = a b, + out if `accumulate`, + bias (contiguous, n values, of the type of sums) if
// defined. False for 16-bit floats that must be multiplied in float32.
bool product_into(const Tensor& out, const Tensor& a, const Tensor& b, bool accumulate, const Tensor& bias,
                  const char* op) {
  const Access left = a.access(), right = b.access();
  const auto at = [](const Access& x, int64_t from_end) {
    const int64_t d = static_cast<int64_t>(x.strides.size()) - from_end;
    return d < 0 ? int64_t{0} : x.strides[d];
  };
  const bool vector = b.dim() == 1;
  Product p{};
  if (a.dim() == 1) {
    p = {1, 1, 1, a.size(0), 0, 0, at(left, 1), 0, at(right, 1), 1};
  } else {
    p = {a.dim() == 3 ? a.size(0) : 1,
         a.size(-2),
         vector ? 1 : b.size(-1),
         a.size(-1),
         at(left, 3),
         at(left, 2),
         at(left, 1),
         at(right, 3),
         vector ? at(right, 1) : at(right, 2),
         vector ? 1 : at(right, 1)};
  }
  return dispatch_all(out.dtype(), [&](auto tag) -> bool {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool>)
      throw Error(str(op, ": not implemented for bool matrices"));
    else if constexpr (std::is_same_v<T, Float16>)
      return false;
    else if constexpr (std::is_same_v<T, BFloat16>)
      return multiply<uint16_t>(p, left, right, out, accumulate, bias);
    else
      return multiply<T>(p, left, right, out, accumulate, bias);
  });
}

// a b without graph; `sizes` of the result.
Tensor product(const Tensor& a, const Tensor& b, const Dims& sizes, const char* op) {
  RUSHLIGHT_CHECK(a.dtype() == b.dtype(), op, ": both operands must have the same dtype, got ",
                  dtype_name(a.dtype()), " and ", dtype_name(b.dtype()));
  const autograd::GradModeGuard no_grad(false);
  Tensor out = Tensor::empty(sizes, a.dtype());
  if (product_into(out, a, b, false, Tensor(), op)) return out;
  return to(product(to(a, DType::Float32), to(b, DType::Float32), sizes, op), a.dtype());
}

// mm(t(left), right) as its factors, if they are worth keeping: see Note [Deferred values].
Tensor deferred_product(const Tensor& left, const Tensor& right) {
  if (left.dtype() != DType::Float32 || right.dtype() != DType::Float32 || autograd::recording(left, right) ||
      !kernels::outer_sum_pays(left.size(1), right.size(1), left.size(0)))
    return Tensor();
  const autograd::GradModeGuard no_grad(false);
  return OuterGradient::make({left.size(1), right.size(1)}, clone(contiguous(left)),
                             clone(contiguous(right)));
}

// A bilinear product and its two derivatives, the same for mm, bmm, mv and their sums with a third tensor.
struct Rule {
  Tensor (*grad_a)(const Tensor& grad, const Tensor& b);
  Tensor (*grad_b)(const Tensor& grad, const Tensor& a);
};
const Rule kMm{[](const Tensor& grad, const Tensor& b) { return mm(grad, t(b)); },
               [](const Tensor& grad, const Tensor& a) { return mm(t(a), grad); }};
// The same where b is a transposed view, as the weight of a linear layer is: its gradient is one, too, and so
// that of what was transposed has the order of a fresh tensor.
const Rule kMmTransposed{kMm.grad_a, [](const Tensor& grad, const Tensor& a) {
                           const Tensor transposed = deferred_product(grad, a);
                           return t(transposed.defined() ? transposed : mm(t(grad), a));
                         }};
const Rule& mm_rule(const Tensor& b) {
  return !b.is_contiguous() && t(b).is_contiguous() ? kMmTransposed : kMm;
}
const Rule kBmm{[](const Tensor& grad, const Tensor& b) { return bmm(grad, transpose(b, 1, 2)); },
                [](const Tensor& grad, const Tensor& a) { return bmm(transpose(a, 1, 2), grad); }};
const Rule kMv{[](const Tensor& grad, const Tensor& b) { return outer(grad, b); },
               [](const Tensor& grad, const Tensor& a) { return mv(t(a), grad); }};
const Rule kDot{[](const Tensor& grad, const Tensor& b) { return mul(grad, b); },
                [](const Tensor& grad, const Tensor& a) { return mul(grad, a); }};

Tensor recorded(Tensor out, const char* name, const Tensor& a, const Tensor& b, const Rule& rule) {
  if (autograd::recording(a, b))
    autograd::record(out, name, {a, b},
                     {autograd::save_if(b.requires_grad(), a), autograd::save_if(a.requires_grad(), b)},
                     [rule](Node& node, const Tensor& grad) -> Grads {
                       return {node.needs(0) ? rule.grad_a(grad, node.saved(1)) : Tensor(),
                               node.needs(1) ? rule.grad_b(grad, node.saved(0)) : Tensor()};
                     });
  return out;
}

Tensor number(double value) {
  Tensor scalar = Tensor::scalar(value, DType::Float64);
  scalar.impl()->wrapped_number = true;
  return scalar;
}

Tensor scaled(const Tensor& tensor, double factor) {
  if (factor == 1) return tensor;
  if (!is_floating(tensor.dtype())) {
    const auto whole = static_cast<int64_t>(factor);
    RUSHLIGHT_CHECK(static_cast<double>(whole) == factor, "beta and alpha must be whole numbers for ",
                    dtype_name(tensor.dtype()), " tensors, got ", factor);
    return mul(tensor, Tensor::scalar(whole, tensor.dtype()));
  }
  return mul(tensor, number(factor));
}

// beta * input + alpha * a b, the checks on a and b done by the caller.
Tensor sum_with_product(const Tensor& input, const Tensor& a, const Tensor& b, const Dims& sizes, Scales s,
                        const char* op) {
  RUSHLIGHT_CHECK(input.dtype() == a.dtype(), op, ": input and matrices must have the same dtype, got ",
                  dtype_name(input.dtype()), " and ", dtype_name(a.dtype()));
  const autograd::GradModeGuard no_grad(false);
  const auto in_float32 = [&] {  // rounded once, at the end
    const Tensor wide = sum_with_product(to(input, DType::Float32), to(a, DType::Float32),
                                         to(b, DType::Float32), sizes, s, op);
    return to(wide, a.dtype());
  };
  const Tensor spread = expand(input, sizes);
  if (s.alpha != 1 || (s.beta != 1 && s.beta != 0)) {
    if (is_half(a.dtype())) return in_float32();
    const Tensor rest = scaled(product(a, b, sizes, op), s.alpha);
    return s.beta == 0 ? rest : add(scaled(spread, s.beta), rest);
  }
  if (s.beta == 0) return product(a, b, sizes, op);
  RUSHLIGHT_CHECK(a.dtype() == b.dtype(), op, ": both matrices must have the same dtype, got ",
                  dtype_name(a.dtype()), " and ", dtype_name(b.dtype()));
  Tensor out = Tensor::empty(sizes, a.dtype());
  if (input.dim() == 1 && a.dim() == 2 && b.dim() == 2 && input.size(0) == sizes[1]) {
    const DType sums = is_half(a.dtype()) ? DType::Float32 : a.dtype();
    if (!product_into(out, a, b, false, contiguous(to(input, sums)), op)) return in_float32();
  } else {
    copy_into(out, spread);
    if (!product_into(out, a, b, true, Tensor(), op)) return in_float32();
  }
  return out;
}

Tensor recorded_sum(Tensor out, const char* name, const Tensor& input, const Tensor& a, const Tensor& b,
                    Scales s, const Rule& rule) {
  if (autograd::recording(input, a, b))
    autograd::record(out, name, {input, a, b},
                     {autograd::save_if(b.requires_grad(), a), autograd::save_if(a.requires_grad(), b)},
                     [rule, s, sizes = input.sizes()](Node& node, const Tensor& grad) -> Grads {
                       return {node.needs(0) ? scaled(sum_to_size(grad, sizes), s.beta) : Tensor(),
                               node.needs(1) ? scaled(rule.grad_a(grad, node.saved(1)), s.alpha) : Tensor(),
                               node.needs(2) ? scaled(rule.grad_b(grad, node.saved(0)), s.alpha) : Tensor()};
                     });
  return out;
}

void check_mm(const Tensor& a, const Tensor& b, const char* op) {
  RUSHLIGHT_CHECK(a.dim() == 2 && b.dim() == 2, op, ": expected two matrices (2-d), got ",
                  to_string(a.sizes()), " and ", to_string(b.sizes()));
  RUSHLIGHT_CHECK(a.size(1) == b.size(0), op,
                  ": the columns of the first must equal the rows of the second, got ", to_string(a.sizes()),
                  " and ", to_string(b.sizes()));
}

void check_bmm(const Tensor& a, const Tensor& b, const char* op) {
  RUSHLIGHT_CHECK(a.dim() == 3 && b.dim() == 3, op, ": expected two batches of matrices (3-d), got ",
                  to_string(a.sizes()), " and ", to_string(b.sizes()));
  RUSHLIGHT_CHECK(a.size(0) == b.size(0) && a.size(2) == b.size(1), op,
                  ": batches must be equal, and the columns of the first the rows of the second, got ",
                  to_string(a.sizes()), " and ", to_string(b.sizes()));
}

void check_mv(const Tensor& a, const Tensor& b, const char* op) {
  RUSHLIGHT_CHECK(a.dim() == 2 && b.dim() == 1, op, ": expected a matrix (2-d) and a vector (1-d), got ",
                  to_string(a.sizes()), " and ", to_string(b.sizes()));
  RUSHLIGHT_CHECK(a.size(1) == b.size(0), op,
                  ": the columns of the matrix must equal the length of the vector, got ",
                  to_string(a.sizes()), " and ", to_string(b.sizes()));
}

void check_expands(const Tensor& input, const Dims& sizes, const char* op) {
  bool fits = input.dim() <= static_cast<int64_t>(sizes.size());
  for (int64_t d = 1; fits && d <= input.dim(); ++d)
    fits = input.size(-d) == 1 || input.size(-d) == sizes[sizes.size() - static_cast<size_t>(d)];
  RUSHLIGHT_CHECK(fits, op, ": input must broadcast to the shape of the product, got ",
                  to_string(input.sizes()), " and ", to_string(sizes));
}

// Dims [0, count) of the sizes followed by `tail`.
Dims joined(const Dims& sizes, int64_t count, std::initializer_list<int64_t> tail) {
  Dims out;
  for (int64_t d = 0; d < count; ++d) out.push_back(sizes[static_cast<size_t>(d)]);
  for (const int64_t size : tail) out.push_back(size);
  return out;
}

// Both operands with at least two dimensions, one with more.
Tensor matmul_batched(const Tensor& a, const Tensor& b) {
  const int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  if (b.dim() == 2) {  // the batch is just more rows
    const Tensor rows = reshape(a, {numel_of(joined(a.sizes(), a.dim() - 1, {})), k});
    return unsafe_view(mm(rows, b), joined(a.sizes(), a.dim() - 1, {n}));
  }
  const Dims batch =
      broadcast_sizes(joined(a.sizes(), a.dim() - 2, {}), joined(b.sizes(), b.dim() - 2, {}), "matmul");
  const auto count = static_cast<int64_t>(batch.size());
  const int64_t total = numel_of(batch);
  const Tensor left = reshape(expand(a, joined(batch, count, {m, k})), {total, m, k});
  const Tensor right = reshape(expand(b, joined(batch, count, {k, n})), {total, k, n});
  return unsafe_view(bmm(left, right), joined(batch, count, {m, n}));
}

}  // namespace

Tensor mm(const Tensor& input, const Tensor& mat2) {
  check_mm(input, mat2, "mm");
  return recorded(product(input, mat2, {input.size(0), mat2.size(1)}, "mm"), "MmBackward0", input, mat2,
                  mm_rule(mat2));
}

Tensor bmm(const Tensor& input, const Tensor& mat2) {
  check_bmm(input, mat2, "bmm");
  const Dims sizes{input.size(0), input.size(1), mat2.size(2)};
  return recorded(product(input, mat2, sizes, "bmm"), "BmmBackward0", input, mat2, kBmm);
}

Tensor mv(const Tensor& input, const Tensor& vec) {
  check_mv(input, vec, "mv");
  return recorded(product(input, vec, {input.size(0)}, "mv"), "MvBackward0", input, vec, kMv);
}

Tensor dot(const Tensor& input, const Tensor& other) {
  RUSHLIGHT_CHECK(input.dim() == 1 && other.dim() == 1, "dot: expected two vectors (1-d), got ",
                  to_string(input.sizes()), " and ", to_string(other.sizes()));
  RUSHLIGHT_CHECK(input.size(0) == other.size(0), "dot: both vectors must have the same length, got ",
                  input.size(0), " and ", other.size(0));
  return recorded(product(input, other, {}, "dot"), "DotBackward0", input, other, kDot);
}

Tensor outer(const Tensor& input, const Tensor& vec2) {
  RUSHLIGHT_CHECK(input.dim() == 1 && vec2.dim() == 1, "outer: expected two vectors (1-d), got ",
                  to_string(input.sizes()), " and ", to_string(vec2.sizes()));
  return mul(unsqueeze(input, 1), vec2);
}

Tensor matmul(const Tensor& input, const Tensor& other) {
  RUSHLIGHT_CHECK(input.dim() >= 1 && other.dim() >= 1,
                  "matmul: both operands must have at least one dimension, got ", to_string(input.sizes()),
                  " and ", to_string(other.sizes()));
  const int64_t inner = other.dim() == 1 ? other.size(0) : other.size(-2);
  RUSHLIGHT_CHECK(input.size(-1) == inner, "matmul: the last dimension of the first must equal the ",
                  other.dim() == 1 ? "length" : "second last dimension", " of the second, got ",
                  to_string(input.sizes()), " and ", to_string(other.sizes()));
  if (input.dim() == 1) {
    if (other.dim() == 1) return dot(input, other);
    return squeeze(matmul(unsqueeze(input, 0), other), Dims{-2});
  }
  if (other.dim() == 1) {
    if (input.dim() == 2) return mv(input, other);
    return squeeze(matmul(input, unsqueeze(other, 1)), Dims{-1});
  }
  return input.dim() == 2 && other.dim() == 2 ? mm(input, other) : matmul_batched(input, other);
}

Tensor addmm(const Tensor& input, const Tensor& mat1, const Tensor& mat2, Scales scales) {
  check_mm(mat1, mat2, "addmm");
  const Dims sizes{mat1.size(0), mat2.size(1)};
  check_expands(input, sizes, "addmm");
  return recorded_sum(sum_with_product(input, mat1, mat2, sizes, scales, "addmm"), "AddmmBackward0", input,
                      mat1, mat2, scales, mm_rule(mat2));
}

Tensor baddbmm(const Tensor& input, const Tensor& batch1, const Tensor& batch2, Scales scales) {
  check_bmm(batch1, batch2, "baddbmm");
  const Dims sizes{batch1.size(0), batch1.size(1), batch2.size(2)};
  check_expands(input, sizes, "baddbmm");
  return recorded_sum(sum_with_product(input, batch1, batch2, sizes, scales, "baddbmm"), "BaddbmmBackward0",
                      input, batch1, batch2, scales, kBmm);
}

Tensor addmv(const Tensor& input, const Tensor& mat, const Tensor& vec, Scales scales) {
  check_mv(mat, vec, "addmv");
  const Dims sizes{mat.size(0)};
  check_expands(input, sizes, "addmv");
  return recorded_sum(sum_with_product(input, mat, vec, sizes, scales, "addmv"), "AddmvBackward0", input, mat,
                      vec, scales, kMv);
}

void set_float32_matmul_precision(MatmulPrecision precision) {
  kernels::set_split_parts(3 - static_cast<int>(precision));
}
bool has_bfloat16_units() { return kernels::has_bfloat16(); }
MatmulPrecision get_float32_matmul_precision() {
  return static_cast<MatmulPrecision>(3 - kernels::split_parts());
}

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  RUSHLIGHT_CHECK(weight.dim() == 2 && input.dim() >= 1 && input.size(-1) == weight.size(1),
                  "linear: the last dimension of input must equal weight.shape[1], got input ",
                  to_string(input.sizes()), ", weight ", to_string(weight.sizes()));
  RUSHLIGHT_CHECK(!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)),
                  "linear: bias must have one value per row of weight, got bias ",
                  bias.defined() ? to_string(bias.sizes()) : "", ", weight ", to_string(weight.sizes()));
  if (!bias.defined()) return matmul(input, t(weight));
  if (input.dim() == 2) return addmm(bias, input, t(weight));
  const Tensor rows = reshape(input, {numel_of(joined(input.sizes(), input.dim() - 1, {})), input.size(-1)});
  return unsafe_view(addmm(bias, rows, t(weight)), joined(input.sizes(), input.dim() - 1, {weight.size(0)}));
}

}  // namespace rushlight::ops

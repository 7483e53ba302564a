// Whole slices by index, and elements by mask.
#include <algorithm>

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/indexing/indexing.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/comparison.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/gather.h"
#include "rushlight/ops/indexing.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/ternary.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

// A contiguous int64 vector of indices.
Tensor index_vector(const char* op, const Tensor& index) {
  RUSHLIGHT_CHECK_INDEX(index.dim() <= 1, op, "(): Index is supposed to be a vector, got shape ",
                        to_string(index.sizes()));
  RUSHLIGHT_CHECK(index.dtype() == DType::Int64 || index.dtype() == DType::Int32, op,
                  "(): Expected dtype int32 or int64 for index, got ", dtype_name(index.dtype()));
  return contiguous(to(index, DType::Int64));
}

// Slices along dim: unlike x[index], negative indices are refused.
void check_range(const char* op, const Tensor& index, int64_t size, const Tensor& input) {
  const int64_t* values = index.data<int64_t>();
  for (int64_t i = 0; i < index.numel(); ++i)
    RUSHLIGHT_CHECK_INDEX(values[i] >= 0 && values[i] < size, op, "(): index out of range in self: index ",
                          values[i], " at position ", i, ", size ", size, " of input ",
                          to_string(input.sizes()));
}

// The slices of `table` along d paired with those of `other`, which has the same sizes but along d.
kernels::IndexParams slice_params(const Tensor& table, const Dims& table_strides, int64_t d,
                                  const Tensor& index, const Dims& other_strides) {
  kernels::IndexParams params{table.dtype(), index.numel(), {}, other_strides[d], {}};
  params.dims.push_back({d, table.sizes()[d], table_strides[d], index.data<int64_t>()});
  for (int64_t i = 0; i < table.dim(); ++i)
    if (i != d) params.block.push_back({table.sizes()[i], {table_strides[i], other_strides[i]}});
  return params;
}

void index_add_raw(const char* op, const Tensor& self, int64_t dim, const Tensor& index,
                   const Tensor& source) {
  const int64_t d = wrap_dim(dim, self.dim());
  const Tensor where = index_vector(op, index);
  RUSHLIGHT_CHECK(source.dtype() == self.dtype(), op, "(): self (", dtype_name(self.dtype()),
                  ") and source (", dtype_name(source.dtype()), ") must have the same dtype");
  const Tensor table = self.dim() == 0 ? self.alias({1}, {1}, self.offset()) : self;
  const Tensor from = source.dim() == 0 ? source.alias({1}, {1}, source.offset()) : source;
  Dims expected = table.sizes();
  expected[d] = where.numel();
  RUSHLIGHT_CHECK(from.sizes() == expected, op, "(): source must have shape ", to_string(expected),
                  " (index of ", where.numel(), " along dim ", d, " of ", to_string(self.sizes()), "), got ",
                  to_string(source.sizes()));
  check_range(op, where, table.sizes()[d], self);
  const Access access = from.access();
  char* data = table.raw_data();
  kernels::index_accumulate(slice_params(table, table.strides(), d, where, access.strides), data,
                            access.data);
}

void record_index_add(const Tensor& out, const Tensor& before, int64_t dim, const Tensor& index,
                      const Tensor& source, double alpha) {
  autograd::record(out, "IndexAddBackward0", {before, source}, {index},
                   [dim, alpha, from = source.sizes()](Node& node, const Tensor& grad) -> Grads {
                     Tensor to_source;
                     if (node.needs(1)) {
                       to_source = reshape(index_select(grad, dim, node.saved(0)), from);
                       if (alpha != 1.0) to_source = mul(to_source, number_tensor(alpha));
                     }
                     return {grad, to_source};
                   });
}

// source * alpha, outside the graph.
Tensor scaled(const Tensor& source, double alpha) {
  const autograd::GradModeGuard no_grad(false);
  return alpha == 1.0 ? source : mul(source, number_tensor(alpha));
}

}  // namespace

Tensor index_select(const Tensor& input, int64_t dim, const Tensor& index) {
  const int64_t d = wrap_dim(dim, input.dim());
  const Tensor where = index_vector("index_select", index);
  const Tensor table = input.dim() == 0 ? input.alias({1}, {1}, input.offset()) : input;
  check_range("index_select", where, table.sizes()[d], input);
  Dims sizes = table.sizes();
  sizes[d] = where.numel();
  const Tensor out = Tensor::empty(input.dim() == 0 ? Dims{} : sizes, input.dtype());
  RUSHLIGHT_CHECK(input.dim() > 0 || where.numel() == 1,
                  "index_select(): Index to scalar can have only 1 value, got ", where.numel());
  const Access access = table.access();
  kernels::index_read(slice_params(table, access.strides, d, where, contiguous_strides(sizes)), access.data,
                      out.raw_data());
  if (autograd::recording(input))
    autograd::record(out, "IndexSelectBackward0", {input}, {where},
                     [dim, from = input.sizes()](Node& node, const Tensor& grad) -> Grads {
                       return {index_add(zeros(from, grad.dtype()), dim, node.saved(0), grad, 1.0)};
                     });
  return out;
}

Tensor index_add(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source, double alpha) {
  Tensor out;
  {
    const autograd::GradModeGuard no_grad(false);
    out = clone(input);
  }
  index_add_raw("index_add", out, dim, index, scaled(source, alpha));
  if (autograd::recording(input, source)) record_index_add(out, input, dim, index, source, alpha);
  return out;
}

Tensor index_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, double alpha) {
  const autograd::InPlace change(self, "index_add_");
  index_add_raw("index_add_", self, dim, index, scaled(source, alpha));
  change.written();
  if (autograd::recording(change.before, source))
    record_index_add(self, change.before, dim, index, source, alpha);
  return self;
}

namespace {

// The adjoint of embedding: sums the gradients of each row, in order.
Tensor embedding_backward(const Tensor& grad, const Tensor& indices, int64_t rows, int64_t padding) {
  const int64_t width = grad.size(-1);
  Tensor values = reshape(grad, {indices.numel(), width});
  const Tensor flat = reshape(indices, {-1});
  if (padding >= 0) {
    const Tensor padded = unsqueeze(eq(flat, number_tensor(padding)), 1);
    values = masked_fill(values, padded, number_tensor(0.0));
  }
  return index_add(zeros({rows, width}, grad.dtype()), 0, flat, values, 1.0);
}

}  // namespace

Tensor embedding(const Tensor& indices, const Tensor& weight, std::optional<int64_t> padding_idx) {
  RUSHLIGHT_CHECK(weight.dim() == 2, "embedding: 'weight' must be 2-D, got shape ",
                  to_string(weight.sizes()));
  const int64_t rows = weight.size(0);
  const int64_t padding = padding_idx.has_value() ? *padding_idx + (*padding_idx < 0 ? rows : 0) : -1;
  RUSHLIGHT_CHECK(!padding_idx.has_value() || (padding >= 0 && padding < rows),
                  "embedding: padding_idx must be within the ", rows, " rows of weight, got ", *padding_idx);
  const Tensor flat = index_vector("embedding", reshape(autograd::detach(indices), {-1}));
  Dims sizes = indices.sizes();
  sizes.push_back(weight.size(1));
  Tensor out;
  {
    const autograd::GradModeGuard no_grad(false);
    out = index_select(weight, 0, flat).alias(sizes, contiguous_strides(sizes), 0);
  }
  if (autograd::recording(weight))
    autograd::record(out, "EmbeddingBackward0", {weight}, {flat},
                     [rows, padding](Node& node, const Tensor& grad) -> Grads {
                       return {embedding_backward(grad, node.saved(0), rows, padding)};
                     });
  return out;
}

Tensor one_hot(const Tensor& classes, int64_t num_classes) {
  RUSHLIGHT_CHECK(classes.dtype() == DType::Int64,
                  "one_hot is only applicable to index tensor of type int64, got ",
                  dtype_name(classes.dtype()));
  const Tensor plain = contiguous(classes);
  const int64_t* values = plain.data<int64_t>();
  int64_t largest = -1;
  for (int64_t i = 0; i < plain.numel(); ++i) {
    RUSHLIGHT_CHECK(values[i] >= 0, "one_hot: Class values must be non-negative, got ", values[i],
                    " at position ", i);
    largest = std::max(largest, values[i]);
  }
  RUSHLIGHT_CHECK(num_classes != -1 || plain.numel() > 0,
                  "one_hot: Can not infer total number of classes from empty tensor.");
  const int64_t count = num_classes == -1 ? largest + 1 : num_classes;
  RUSHLIGHT_CHECK(count >= 1, "one_hot: num_classes should be positive, got ", num_classes);
  RUSHLIGHT_CHECK(largest < count, "one_hot: Class values must be smaller than num_classes, got class ",
                  largest, " and num_classes ", count);
  Dims sizes = classes.sizes();
  sizes.push_back(count);
  const Tensor out = zeros(sizes, DType::Int64);
  return scatter_(out, -1, unsqueeze(plain, -1), to(number_tensor(1.0), DType::Int64));
}

Tensor masked_select(const Tensor& input, const Tensor& mask) {
  RUSHLIGHT_CHECK(mask.dtype() == DType::Bool,
                  "masked_select: expected BoolTensor (torch.bool) for mask, got ", dtype_name(mask.dtype()));
  const Dims sizes = broadcast_sizes(input.sizes(), mask.sizes(), "masked_select");
  const Tensor chosen = contiguous(expand(mask, sizes));
  const int64_t count = kernels::count_nonzero(DType::Bool, chosen.raw_data(), chosen.numel());
  Tensor where = Tensor::empty({count}, DType::Int64);
  kernels::nonzero(DType::Bool, chosen.raw_data(), chosen.numel(), where.data<int64_t>());
  Tensor out;
  {
    const autograd::GradModeGuard no_grad(false);
    out = index_select(reshape(expand(input, sizes), {-1}), 0, where);
  }
  if (autograd::recording(input))
    autograd::record(
        out, "MaskedSelectBackward0", {input}, {where},
        [sizes, from = input.sizes()](Node& node, const Tensor& grad) -> Grads {
          const Tensor flat = zeros({numel_of(sizes)}, grad.dtype());
          return {sum_to_size(reshape(index_add(flat, 0, node.saved(0), grad, 1.0), sizes), from)};
        });
  return out;
}

}  // namespace rushlight::ops

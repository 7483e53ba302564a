#include "rushlight/ops/gather.h"

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/indexing/indexing.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

// A contiguous int64 index.
Tensor checked_index(const char* op, const Tensor& index) {
  RUSHLIGHT_CHECK(index.dtype() == DType::Int64 || index.dtype() == DType::Int32, op,
                  "(): Expected dtype int32/int64 for index, got ", dtype_name(index.dtype()));
  return contiguous(to(index, DType::Int64));
}

// 0-d tensors behave like tensors of one element.
Tensor at_least_1d(const Tensor& tensor) {
  return tensor.dim() == 0 ? tensor.alias({1}, {1}, tensor.offset()) : tensor;
}

// What the kernel needs; `other` is the operand beside the table, read or written at index's positions.
kernels::GatherParams gather_params(const char* op, const Tensor& table, const Dims& table_strides,
                                    int64_t dim, const Tensor& index, const Dims& other_strides) {
  kernels::GatherParams params{op, table.dtype(),        static_cast<size_t>(dim), table.sizes()[dim],
                               {}, index.data<int64_t>()};
  for (size_t d = 0; d < index.sizes().size(); ++d)
    params.dims.push_back({index.sizes()[d], {table_strides[d], other_strides[d]}});
  return params;
}

void check_shapes(const char* op, const Tensor& input, int64_t dim, const Tensor& index) {
  RUSHLIGHT_CHECK(index.dim() == input.dim(), op,
                  "(): Index tensor must have the same number of dimensions as input tensor, got index ",
                  to_string(index.sizes()), ", input ", to_string(input.sizes()));
  for (int64_t d = 0; d < input.dim(); ++d)
    RUSHLIGHT_CHECK(d == dim || index.size(d) <= input.size(d), op, "(): Size does not match at dimension ",
                    d, ": expected index ", to_string(index.sizes()), " to be no larger than self ",
                    to_string(input.sizes()), " apart from dimension ", dim);
}

// self.scatter_(dim, index, src) on memory; src 0-d is repeated.
void scatter_raw(const char* op, const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                 bool add) {
  const Tensor table = at_least_1d(self);
  const Tensor where = at_least_1d(checked_index(op, index));
  const int64_t d = wrap_dim(dim, table.dim());
  if (where.numel() == 0) return;
  RUSHLIGHT_CHECK(src.dtype() == self.dtype(), op, "(): Expected self.dtype to be equal to src.dtype, got ",
                  dtype_name(self.dtype()), " and ", dtype_name(src.dtype()));
  check_shapes(op, table, d, where);
  const Tensor from = src.dim() == 0 && self.dim() > 0 ? expand(src, where.sizes()) : at_least_1d(src);
  RUSHLIGHT_CHECK(from.dim() == where.dim(), op,
                  "(): Index tensor must have the same number of dimensions as src tensor, got index ",
                  to_string(where.sizes()), ", src ", to_string(from.sizes()));
  for (int64_t i = 0; i < where.dim(); ++i)
    RUSHLIGHT_CHECK(where.size(i) <= from.size(i), op, "(): Expected index ", to_string(where.sizes()),
                    " to be no larger than src ", to_string(from.sizes()), " in dimension ", i);
  const auto params = gather_params(op, table, table.strides(), d, where, from.strides());
  if (add)
    kernels::scatter_reduce(params, kernels::ScatterReduce::Sum, table.raw_data(), from.raw_data());
  else
    kernels::scatter(params, table.raw_data(), from.raw_data());
}

// A copy of `input` for an out-of-place op that then writes into it.
Tensor fresh_copy(const Tensor& input) {
  const autograd::GradModeGuard no_grad(false);
  return clone(input);
}

// What reaches src: the gradient at the positions it was put to.
Tensor gather_for_src(const Tensor& grad, int64_t dim, const Tensor& index, const Dims& src_sizes) {
  const Tensor picked = gather(grad, dim, index);
  return src_sizes.empty() && index.dim() > 0 ? sum_to_size(picked, src_sizes) : picked;
}

void record_scatter(const Tensor& out, const Tensor& before, int64_t dim, const Tensor& index,
                    const Tensor& src, bool add) {
  RUSHLIGHT_CHECK(
      !src.requires_grad() || src.dim() == 0 || src.sizes() == index.sizes(),
      "scatter: a gradient for src is implemented only for src.shape == index.shape (as in PyTorch), got ",
      to_string(src.sizes()), " and ", to_string(index.sizes()));
  const bool value = src.impl()->wrapped_number;
  autograd::record(
      out,
      add     ? "ScatterAddBackward0"
      : value ? "ScatterBackward1"
              : "ScatterBackward0",
      {before, src}, {index}, [dim, add, sizes = src.sizes()](Node& node, const Tensor& grad) -> Grads {
        Tensor to_self;
        if (node.needs(0))
          to_self = add ? grad : scatter(grad, dim, node.saved(0), to(number_tensor(0.0), grad.dtype()));
        return {to_self, node.needs(1) ? gather_for_src(grad, dim, node.saved(0), sizes) : Tensor()};
      });
}

Tensor scattered(const char* op, const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src,
                 bool add) {
  Tensor out = fresh_copy(input);
  scatter_raw(op, out, dim, index, src, add);
  if (autograd::recording(input, src)) record_scatter(out, input, dim, index, src, add);
  return out;
}

Tensor scatter_in_place(const char* op, const Tensor& self, int64_t dim, const Tensor& index,
                        const Tensor& src, bool add) {
  const autograd::InPlace change(self, op);
  scatter_raw(op, self, dim, index, src, add);
  change.written();
  if (autograd::recording(change.before, src)) record_scatter(self, change.before, dim, index, src, add);
  return self;
}

}  // namespace

Tensor gather(const Tensor& input, int64_t dim, const Tensor& index) {
  const Tensor table = at_least_1d(input);
  const Tensor where = at_least_1d(checked_index("gather", index));
  const int64_t d = wrap_dim(dim, table.dim());
  Tensor out = Tensor::empty(index.sizes(), input.dtype());
  if (out.numel() > 0) {
    check_shapes("gather", table, d, where);
    const Access access = table.access();
    kernels::gather(
        gather_params("gather", table, access.strides, d, where, contiguous_strides(where.sizes())),
        access.data, out.raw_data());
  }
  if (autograd::recording(input))
    autograd::record(out, "GatherBackward0", {input}, {index},
                     [dim, from = input.sizes()](Node& node, const Tensor& grad) -> Grads {
                       return {scatter_add(zeros(from, grad.dtype()), dim, node.saved(0), grad)};
                     });
  return out;
}

Tensor take_along_dim(const Tensor& input, const Tensor& indices, std::optional<int64_t> dim) {
  if (!dim.has_value()) return gather(reshape(input, {-1}), 0, reshape(indices, {-1}));
  RUSHLIGHT_CHECK(input.dim() == indices.dim(),
                  "take_along_dim(): input and indices should have the same number of "
                  "dimensions, but got ",
                  input.dim(), " dimensions for input, and ", indices.dim(), " dimensions for indices");
  const int64_t d = wrap_dim(*dim, input.dim());
  Dims table = input.sizes();
  Dims where = indices.sizes();
  table[d] = where[d] = 1;
  table = broadcast_sizes(table, where, "take_along_dim");
  where = table;
  table[d] = input.sizes()[d];
  where[d] = indices.sizes()[d];
  return gather(expand(input, table), d, expand(indices, where));
}

Tensor scatter(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src) {
  return scattered("scatter", input, dim, index, src, false);
}
Tensor scatter_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  return scatter_in_place("scatter_", self, dim, index, src, false);
}
Tensor scatter_add(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src) {
  return scattered("scatter_add", input, dim, index, src, true);
}
Tensor scatter_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  return scatter_in_place("scatter_add_", self, dim, index, src, true);
}

Tensor selected_backward(const Tensor& grad, const Dims& sizes, int64_t dim, const Tensor& indices,
                         bool keepdim) {
  const Tensor target = zeros(sizes, grad.dtype());
  if (keepdim || sizes.empty()) return scatter(target, dim, indices, grad);
  return scatter(target, dim, unsqueeze(indices, wrap_dim(dim, target.dim())),
                 unsqueeze(grad, wrap_dim(dim, target.dim())));
}

}  // namespace rushlight::ops

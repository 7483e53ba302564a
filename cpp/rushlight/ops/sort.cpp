#include "rushlight/ops/sort.h"

#include <utility>

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/sort/sort.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/gather.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

// A tensor with the dimension worked on last and rows contiguous, outside the graph; and the way back.
struct Rows {
  Rows(const Tensor& input, int64_t along) : dim(along) {
    const autograd::GradModeGuard no_grad(false);
    const Tensor moved =
        input.dim() == 0 ? view(autograd::detach(input), {1}) : transpose(autograd::detach(input), dim, -1);
    tensor = contiguous(moved);
    n = tensor.size(-1);
    count = n == 0 ? 0 : tensor.numel() / n;
    scalar = input.dim() == 0;
  }
  // Room for `k` results a row.
  Tensor results(int64_t k, DType dtype) const {
    Dims sizes = tensor.sizes();
    sizes[sizes.size() - 1] = k;
    return Tensor::empty(sizes, dtype);
  }
  // A tensor of its own, not a view: autograd attaches to it.
  Tensor back(const Tensor& result) const {
    if (scalar) return result.alias({}, {}, 0);
    Dims sizes = result.sizes();
    Dims strides = result.strides();
    std::swap(sizes[dim], sizes[sizes.size() - 1]);
    std::swap(strides[dim], strides[strides.size() - 1]);
    const Tensor plain = contiguous(result.alias(sizes, strides, 0));
    return plain.alias(sizes, contiguous_strides(sizes),
                       0);  // dimensions of size 1 may have kept other strides
  }

  Tensor tensor;
  int64_t dim;
  int64_t n;
  int64_t count;
  bool scalar;
};

ValuesIndices recorded(ValuesIndices out, const char* name, const Tensor& input, int64_t dim, bool keepdim) {
  if (autograd::recording(input))
    autograd::record(out.values, name, {input}, {out.indices},
                     [from = input.sizes(), dim, keepdim](Node& node, const Tensor& grad) -> Grads {
                       return {selected_backward(grad, from, dim, node.saved(0), keepdim)};
                     });
  return out;
}

}  // namespace

ValuesIndices sort(const Tensor& input, int64_t dim, bool descending) {
  const Rows rows(input, wrap_dim(dim, input.dim()));
  const Tensor values = rows.results(rows.n, input.dtype());
  const Tensor indices = rows.results(rows.n, DType::Int64);
  kernels::sort_rows(input.dtype(), rows.count, rows.n, descending, rows.tensor.raw_data(), values.raw_data(),
                     indices.data<int64_t>());
  return recorded({rows.back(values), rows.back(indices)}, "SortBackward0", input, dim, true);
}

Tensor argsort(const Tensor& input, int64_t dim, bool descending) {
  return sort(autograd::detach(input), dim, descending).indices;
}

ValuesIndices topk(const Tensor& input, int64_t k, int64_t dim, bool largest) {
  const Rows rows(input, wrap_dim(dim, input.dim()));
  RUSHLIGHT_CHECK(k >= 0 && k <= rows.n, "topk(): selected index k out of range: k must be from 0 to ",
                  rows.n, " (the size of dim ", dim, "), got ", k);
  const Tensor values = rows.results(k, input.dtype());
  const Tensor indices = rows.results(k, DType::Int64);
  kernels::topk_rows(input.dtype(), rows.count, rows.n, k, largest, rows.tensor.raw_data(), values.raw_data(),
                     indices.data<int64_t>());
  return recorded({rows.back(values), rows.back(indices)}, "TopkBackward0", input, dim, true);
}

ValuesIndices kthvalue(const Tensor& input, int64_t k, int64_t dim, bool keepdim) {
  const int64_t d = wrap_dim(dim, input.dim());
  const Rows rows(input, d);
  RUSHLIGHT_CHECK(k >= 1 && k <= rows.n, "kthvalue(): selected number k out of range for dimension ", dim,
                  ": k must be from 1 to ", rows.n, ", got ", k);
  const Tensor values = rows.results(1, input.dtype());
  const Tensor indices = rows.results(1, DType::Int64);
  kernels::kth_rows(input.dtype(), rows.count, rows.n, k - 1, rows.tensor.raw_data(), values.raw_data(),
                    indices.data<int64_t>());
  ValuesIndices out{rows.back(values), rows.back(indices)};
  if (!keepdim && input.dim() > 0) {
    Dims sizes = input.sizes();
    sizes.erase(static_cast<size_t>(d));
    for (Tensor* tensor : {&out.values, &out.indices})
      *tensor = tensor->alias(sizes, contiguous_strides(sizes), 0);
  }
  return recorded(out, "KthvalueBackward0", input, dim, keepdim);
}

}  // namespace rushlight::ops

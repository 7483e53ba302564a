// What the engine needs of the ops: see autograd/grad_arithmetic.h.
#include "rushlight/autograd/grad_arithmetic.h"

#include <cmath>
#include <cstring>

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/indexing/indexing.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/view.h"

namespace rushlight::autograd {
namespace {

// `view` of a tensor with the geometry `base`, as a view of a fresh or equally laid out `tensor`.
Tensor region(const Tensor& tensor, const Geometry& base, const Geometry& view) {
  return tensor.alias(view.sizes, view.strides, tensor.offset() + view.offset - base.offset);
}

// A copy of `tensor` whose strides are those of `base`.
Tensor laid_out(const Tensor& tensor, const Geometry& base) {
  Tensor out = Tensor::empty_strided(base.sizes, base.strides, tensor.dtype());
  ops::copy_into(out, tensor);
  return out;
}

}  // namespace

Tensor grad_add(const Tensor& a, const Tensor& b) { return ops::add(a, b); }
void grad_add_inplace(const Tensor& self, const Tensor& other) {
  ops::add_raw(self, other);
  self.storage().bump_version();
}
Tensor grad_clone(const Tensor& tensor) {
  return tensor.is_contiguous() ? ops::clone(tensor) : ops::contiguous(tensor);
}
Tensor grad_cast(const Tensor& tensor, DType dtype) { return ops::to(tensor, dtype); }
Tensor grad_ones(const Dims& sizes, DType dtype) { return ops::full(sizes, 1.0, dtype); }
Tensor grad_zeros(const Dims& sizes, DType dtype) { return ops::zeros(sizes, dtype); }

Tensor grad_sum_to(const Tensor& tensor, const Dims& sizes) {
  if (tensor.sizes() == sizes) return tensor;
  const size_t extra = tensor.sizes().size() - sizes.size();
  Dims reduced;
  for (size_t d = 0; d < tensor.sizes().size(); ++d)
    if (d < extra || (sizes[d - extra] == 1 && tensor.sizes()[d] != 1))
      reduced.push_back(static_cast<int64_t>(d));
  Tensor sum = reduced.empty() ? tensor : ops::sum(tensor, reduced, true);
  return extra == 0 ? sum : ops::view(ops::contiguous(sum), sizes);
}

Tensor grad_as_strided(const Tensor& tensor, const Geometry& base, const Geometry& view) {
  Tensor out = region(laid_out(tensor, base), base, view);
  if (recording(tensor))
    record(out, "AsStridedBackward0", {tensor}, {}, [base, view](Node&, const Tensor& grad) -> Grads {
      return {grad_as_strided_scatter(grad_zeros(base.sizes, grad.dtype()), grad, base, view)};
    });
  return out;
}

Tensor grad_as_strided_scatter(const Tensor& tensor, const Tensor& source, const Geometry& base,
                               const Geometry& view) {
  Tensor out = laid_out(tensor, base);
  ops::copy_into(region(out, base, view), source);
  if (recording(tensor, source))
    record(out, "AsStridedScatterBackward0", {tensor, source}, {},
           [base, view](Node& node, const Tensor& grad) -> Grads {
             Tensor zeros = node.needs(0) ? grad_zeros(view.sizes, grad.dtype()) : Tensor();
             return {node.needs(0) ? grad_as_strided_scatter(grad, zeros, base, view) : Tensor(),
                     node.needs(1) ? grad_as_strided(grad, base, view) : Tensor()};
           });
  return out;
}

Tensor grad_as_strided_accumulate(const Tensor& grad, const Geometry& base, const Geometry& view) {
  Tensor out = Tensor::empty_strided(base.sizes, base.strides, grad.dtype());
  if (out.storage().nbytes() > 0) std::memset(out.raw_data(), 0, out.storage().nbytes());
  // Where each element of the view lies in the base, in row-major order of the view.
  const Tensor places = Tensor::empty(view.sizes, DType::Int64);
  int64_t* place = places.data<int64_t>();
  Dims index(view.sizes.size(), 0);
  for (int64_t i = 0; i < places.numel(); ++i) {
    int64_t offset = view.offset - base.offset;
    for (size_t d = 0; d < index.size(); ++d) offset += index[d] * view.strides[d];
    place[i] = offset;
    for (size_t d = index.size(); d-- > 0 && ++index[d] == view.sizes[d];) index[d] = 0;
  }
  const auto extent = static_cast<int64_t>(out.storage().nbytes() / dtype_size(out.dtype()));
  const Tensor values = ops::contiguous(detach(grad));
  kernels::index_accumulate({grad.dtype(), places.numel(), {{0, extent, 1, place}}, 1, {}}, out.raw_data(),
                            values.raw_data());
  if (recording(grad))
    record(out, "AsStridedAccumulateBackward0", {grad}, {},
           [base, view](Node&, const Tensor& g) -> Grads { return {grad_as_strided(g, base, view)}; });
  return out;
}

bool has_nan(const Tensor& tensor) {
  const Tensor plain = ops::to(ops::contiguous(detach(tensor)), DType::Float64);
  const double* data = plain.data<double>();
  for (int64_t i = 0; i < plain.numel(); ++i)
    if (std::isnan(data[i])) return true;
  return false;
}

}  // namespace rushlight::autograd

#include "rushlight/ops/join.h"

#include <algorithm>

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/elementwise/copy.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/view.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

bool is_skipped(const Tensor& tensor) { return tensor.dim() == 1 && tensor.numel() == 0; }

// Undefined gradients as zeros of the part's shape.
Tensor or_zeros(const Tensor& grad, const Dims& sizes, DType dtype) {
  return grad.defined() ? grad : zeros(sizes, dtype);
}

}  // namespace

Tensor cat(const std::vector<Tensor>& tensors, int64_t dim) {
  RUSHLIGHT_CHECK_VALUE(!tensors.empty(), "cat(): expected a non-empty list of Tensors");
  const Tensor* model = &tensors[0];
  DType dtype = tensors[0].dtype();
  for (const Tensor& tensor : tensors) {
    if (is_skipped(*model)) model = &tensor;
    dtype = promote(dtype, tensor.dtype());
  }
  for (const Tensor& tensor : tensors)
    RUSHLIGHT_CHECK(tensor.dim() > 0, "zero-dimensional tensor (at position ", &tensor - tensors.data(),
                    ") cannot be concatenated. Use stack()");
  const int64_t d = wrap_dim(dim, model->dim());
  Dims sizes = model->sizes();
  sizes[d] = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    if (is_skipped(tensor)) continue;
    bool fits = tensor.dim() == model->dim();
    for (int64_t k = 0; fits && k < model->dim(); ++k) fits = k == d || tensor.sizes()[k] == sizes[k];
    RUSHLIGHT_CHECK(fits, "cat(): Sizes of tensors must match except in dimension ", d, ". Expected ",
                    to_string(model->sizes()), " but got ", to_string(tensor.sizes()), " for tensor number ",
                    i, " in the list.");
    sizes[d] += tensor.sizes()[d];
  }
  Tensor out = Tensor::empty(sizes, dtype);
  std::vector<int64_t> lengths;
  int64_t start = 0;
  for (const Tensor& tensor : tensors) {
    const int64_t length = is_skipped(tensor) ? 0 : tensor.sizes()[d];
    lengths.push_back(length);
    if (length == 0) continue;
    copy_into(out.alias(tensor.sizes(), out.strides(), start * out.strides()[d]), tensor);
    start += length;
  }
  if (autograd::recording(tensors)) {
    std::vector<DType> dtypes;
    std::vector<bool> skipped;
    for (const Tensor& tensor : tensors) {
      dtypes.push_back(tensor.dtype());
      skipped.push_back(is_skipped(tensor));
    }
    autograd::record(out, "CatBackward0", tensors, {},
                     [d, lengths, dtypes, skipped](Node& node, const Tensor& grad) -> Grads {
                       Grads grads(lengths.size());
                       int64_t from = 0;
                       for (size_t i = 0; i < lengths.size(); from += lengths[i++])
                         if (node.needs(i))
                           grads[i] = skipped[i] ? zeros({0}, dtypes[i])
                                                 : to(narrow(grad, d, from, lengths[i]), dtypes[i]);
                       return grads;
                     });
  }
  return out;
}

Tensor stack(const std::vector<Tensor>& tensors, int64_t dim) {
  RUSHLIGHT_CHECK(!tensors.empty(), "stack expects a non-empty TensorList");
  const int64_t d = wrap_dim(dim, tensors[0].dim() + 1);
  DType dtype = tensors[0].dtype();
  for (size_t i = 0; i < tensors.size(); ++i) {
    RUSHLIGHT_CHECK(tensors[i].sizes() == tensors[0].sizes(),
                    "stack expects each tensor to be equal size, but got ", to_string(tensors[0].sizes()),
                    " at entry 0 and ", to_string(tensors[i].sizes()), " at entry ", i);
    dtype = promote(dtype, tensors[i].dtype());
  }
  Dims sizes = tensors[0].sizes();
  sizes.insert(d, static_cast<int64_t>(tensors.size()));
  Tensor out = Tensor::empty(sizes, dtype);
  Dims strides = out.strides();
  strides.erase(d);
  for (size_t i = 0; i < tensors.size(); ++i)
    copy_into(out.alias(tensors[0].sizes(), strides, static_cast<int64_t>(i) * out.strides()[d]), tensors[i]);
  if (autograd::recording(tensors)) {
    std::vector<DType> dtypes;
    for (const Tensor& tensor : tensors) dtypes.push_back(tensor.dtype());
    autograd::record(out, "StackBackward0", tensors, {},
                     [d, dtypes](Node& node, const Tensor& grad) -> Grads {
                       Grads grads(dtypes.size());
                       for (size_t i = 0; i < dtypes.size(); ++i)
                         if (node.needs(i))
                           grads[i] = to(select(grad, d, static_cast<int64_t>(i)), dtypes[i]);
                       return grads;
                     });
  }
  return out;
}

std::vector<Tensor> split(const Tensor& input, const std::vector<int64_t>& lengths, int64_t dim) {
  RUSHLIGHT_CHECK(input.dim() > 0, "split expects at least a 1-dimensional tensor");
  const int64_t d = wrap_dim(dim, input.dim());
  int64_t total = 0;
  for (const int64_t length : lengths) {
    RUSHLIGHT_CHECK(length >= 0, "split_with_sizes expects split_sizes have only non-negative entries, got ",
                    length);
    total += length;
  }
  RUSHLIGHT_CHECK(total == input.sizes()[d], "split_with_sizes expects split_sizes to sum exactly to ",
                  input.sizes()[d], " (input tensor's size at dimension ", d,
                  "), but got split_sizes with sum ", total);
  std::vector<Tensor> parts;
  Dims sizes = input.sizes();
  int64_t start = input.offset();
  for (const int64_t length : lengths) {
    sizes[d] = length;
    parts.push_back(input.alias(sizes, input.strides(), start));
    start += length * input.strides()[d];
  }
  if (autograd::recording(input))
    autograd::record_multi(
        parts, "SplitBackward0", {input}, {},
        [d, lengths, whole = input.sizes(), dtype = input.dtype()](Node&, Grads& grads) -> Grads {
          std::vector<Tensor> filled;
          Dims part = whole;
          for (size_t i = 0; i < lengths.size(); ++i) {
            part[d] = lengths[i];
            filled.push_back(or_zeros(grads[i], part, dtype));
          }
          return {cat(filled, d)};
        });
  for (const Tensor& part : parts) autograd::mark_view(part, input);
  return parts;
}

std::vector<Tensor> split(const Tensor& input, int64_t length, int64_t dim) {
  RUSHLIGHT_CHECK(input.dim() > 0, "split expects at least a 1-dimensional tensor");
  const int64_t size = input.size(dim);
  RUSHLIGHT_CHECK(length >= 0, "split expects split_size be non-negative, but got split_size=", length);
  RUSHLIGHT_CHECK(length > 0 || size == 0,
                  "split_size can only be 0 if dimension size is 0, but got dimension size of ", size);
  std::vector<int64_t> lengths;
  for (int64_t start = 0; start < size; start += length) lengths.push_back(std::min(length, size - start));
  if (lengths.empty()) lengths.push_back(0);
  return split(input, lengths, dim);
}

std::vector<Tensor> chunk(const Tensor& input, int64_t chunks, int64_t dim) {
  RUSHLIGHT_CHECK(input.dim() > 0, "chunk expects at least a 1-dimensional tensor");
  RUSHLIGHT_CHECK(chunks > 0, "chunk expects `chunks` to be greater than 0, got: ", chunks);
  const int64_t size = input.size(dim);
  if (size == 0) return split(input, std::vector<int64_t>(static_cast<size_t>(chunks), 0), dim);
  return split(input, (size + chunks - 1) / chunks, dim);
}

std::vector<Tensor> tensor_split(const Tensor& input, int64_t sections, int64_t dim) {
  RUSHLIGHT_CHECK(input.dim() > 0,
                  "tensor_split expected at least a 1-dimensional tensor, but got a 0-d one");
  RUSHLIGHT_CHECK(sections > 0, "number of sections must be larger than 0, got ", sections);
  const int64_t size = input.size(dim);
  std::vector<int64_t> lengths(static_cast<size_t>(sections), size / sections);
  for (int64_t i = 0; i < size % sections; ++i) ++lengths[static_cast<size_t>(i)];
  return split(input, lengths, dim);
}

std::vector<Tensor> tensor_split(const Tensor& input, const Dims& positions, int64_t dim) {
  RUSHLIGHT_CHECK(input.dim() > 0,
                  "tensor_split expected at least a 1-dimensional tensor, but got a 0-d one");
  std::vector<Tensor> parts;
  int64_t start = 0;
  for (const int64_t end : positions) {
    parts.push_back(slice(input, dim, start, end, 1));
    start = end;
  }
  parts.push_back(slice(input, dim, start, input.size(dim), 1));
  return parts;
}

std::vector<Tensor> unbind(const Tensor& input, int64_t dim) {
  RUSHLIGHT_CHECK_INDEX(input.dim() > 0, "unbind: Dimension specified as ", dim,
                        " but tensor has no dimensions");
  const int64_t d = wrap_dim(dim, input.dim());
  Dims sizes = input.sizes();
  Dims strides = input.strides();
  sizes.erase(d);
  strides.erase(d);
  std::vector<Tensor> parts;
  for (int64_t i = 0; i < input.sizes()[d]; ++i)
    parts.push_back(input.alias(sizes, strides, input.offset() + i * input.strides()[d]));
  if (!parts.empty() && autograd::recording(input))
    autograd::record_multi(parts, "UnbindBackward0", {input}, {},
                           [d, sizes, dtype = input.dtype()](Node&, Grads& grads) -> Grads {
                             std::vector<Tensor> filled;
                             for (const Tensor& grad : grads) filled.push_back(or_zeros(grad, sizes, dtype));
                             return {stack(filled, d)};
                           });
  for (const Tensor& part : parts) autograd::mark_view(part, input);
  return parts;
}

}  // namespace rushlight::ops

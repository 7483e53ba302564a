#include "rushlight/ops/view.h"

#include <algorithm>

#include "rushlight/autograd/grad_arithmetic.h"
#include "rushlight/autograd/record.h"
#include "rushlight/ops/copy.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

// A view of `input`, recorded under `name` if needed; `backward(grad)` gives the input's gradient.
template <class Backward>
Tensor make_view(const Tensor& input, const Dims& sizes, const Dims& strides, int64_t offset,
                 const char* name, Backward backward) {
  Tensor out = input.alias(sizes, strides, offset);
  if (autograd::recording(input))
    autograd::record(out, name, {input}, {},
                     [backward](Node&, const Tensor& grad) -> Grads { return {backward(grad)}; });
  autograd::mark_view(out, input);
  return out;
}

// Zeros of `sizes` with `source` written to the view `region(zeros)`: the adjoint of a view that picks
// elements. Differentiable in source.
template <class Region>
Tensor embed(const Tensor& source, const Dims& sizes, const char* name, Region region) {
  Tensor out = zeros(sizes, source.dtype());
  {
    const autograd::GradModeGuard no_grad(false);
    copy_into(region(out), source);
  }
  if (autograd::recording(source))
    autograd::record(out, name, {source}, {},
                     [region](Node&, const Tensor& grad) -> Grads { return {region(grad)}; });
  return out;
}

}  // namespace

Tensor view(const Tensor& input, const Dims& sizes) {
  const Dims target = infer_size(sizes, input.numel());
  Dims strides;
  RUSHLIGHT_CHECK(
      view_strides(input.sizes(), input.strides(), target, &strides),
      "view: size is not compatible with input tensor's size and stride (at least one dimension spans "
      "across two contiguous subspaces): input ",
      to_string(input.sizes()), " with strides ", to_string(input.strides()), ", asked for ",
      to_string(target), ". Use .reshape(...) instead.");
  return make_view(input, target, strides, input.offset(), "ViewBackward0",
                   [from = input.sizes()](const Tensor& grad) { return reshape(grad, from); });
}

Tensor unsafe_view(const Tensor& fresh, const Dims& sizes) {
  RUSHLIGHT_INTERNAL_ASSERT(fresh.is_contiguous(), "unsafe_view of strides ", to_string(fresh.strides()));
  Tensor out = fresh.alias(sizes, contiguous_strides(sizes), fresh.offset());
  out.impl()->inference = fresh.impl()->inference;
  if (autograd::recording(fresh))
    autograd::record(
        out, "UnsafeViewBackward0", {fresh}, {},
        [from = fresh.sizes()](Node&, const Tensor& grad) -> Grads { return {reshape(grad, from)}; });
  return out;
}

Tensor reshape(const Tensor& input, const Dims& sizes) {
  const Dims target = infer_size(sizes, input.numel());
  Dims strides;
  if (input.is_contiguous()) return view(input, target);
  if (!view_strides(input.sizes(), input.strides(), target, &strides))
    return unsafe_view(contiguous(input), target);
  return make_view(input, target, strides, input.offset(), "ReshapeAliasBackward0",
                   [from = input.sizes()](const Tensor& grad) { return reshape(grad, from); });
}

Tensor flatten(const Tensor& input, int64_t start_dim, int64_t end_dim) {
  const int64_t start = wrap_dim(start_dim, input.dim());
  const int64_t end = wrap_dim(end_dim, input.dim());
  RUSHLIGHT_CHECK(start <= end, "flatten() has invalid args: start_dim cannot come after end_dim, got ",
                  start_dim, " and ", end_dim);
  if (input.dim() == 0) return reshape(input, {1});
  if (start == end) return input;
  Dims sizes(input.sizes().begin(), input.sizes().begin() + start);
  int64_t product = 1;
  for (int64_t d = start; d <= end; ++d) product *= input.sizes()[d];
  sizes.push_back(product);
  for (int64_t d = end + 1; d < input.dim(); ++d) sizes.push_back(input.sizes()[d]);
  return reshape(input, sizes);
}

Tensor unflatten(const Tensor& input, int64_t dim, const Dims& sizes) {
  const int64_t d = wrap_dim(dim, input.dim());
  RUSHLIGHT_CHECK(!sizes.empty(), "unflatten: sizes must be non-empty");
  const Dims parts = infer_size(sizes, input.size(d));
  Dims target(input.sizes().begin(), input.sizes().begin() + d);
  for (const int64_t part : parts) target.push_back(part);
  for (int64_t i = d + 1; i < input.dim(); ++i) target.push_back(input.sizes()[i]);
  return view(input, target);
}

namespace {
Tensor permute_named(const Tensor& input, const Dims& dims, const char* name) {
  const size_t n = input.sizes().size();
  RUSHLIGHT_CHECK(dims.size() == n,
                  "permute(sparse_coo): number of dimensions in the tensor input does not match "
                  "the length of the desired ordering of dimensions i.e. input.dim() = ",
                  n, " is not equal to len(dims) = ", dims.size());
  Dims sizes(n);
  Dims strides(n);
  Dims inverse(n, -1);
  for (size_t i = 0; i < n; ++i) {
    const int64_t d = wrap_dim(dims[i], input.dim());
    RUSHLIGHT_CHECK(inverse[d] < 0, "permute: duplicate dims are not allowed, got ", to_string(dims));
    inverse[d] = static_cast<int64_t>(i);
    sizes[i] = input.sizes()[d];
    strides[i] = input.strides()[d];
  }
  return make_view(input, sizes, strides, input.offset(), name,
                   [inverse, name](const Tensor& grad) { return permute_named(grad, inverse, name); });
}
}  // namespace

Tensor permute(const Tensor& input, const Dims& dims) {
  return permute_named(input, dims, "PermuteBackward0");
}

Tensor transpose(const Tensor& input, int64_t dim0, int64_t dim1) {
  const int64_t a = wrap_dim(dim0, input.dim());
  const int64_t b = wrap_dim(dim1, input.dim());
  Dims order(input.sizes().size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  if (!order.empty()) std::swap(order[a], order[b]);
  return permute_named(input, order, "TransposeBackward0");
}

Tensor t(const Tensor& input) {
  RUSHLIGHT_CHECK(input.dim() <= 2, "t() expects a tensor with <= 2 dimensions, but self is ", input.dim(),
                  "D");
  const Dims order = input.dim() == 2 ? Dims{1, 0} : input.dim() == 1 ? Dims{0} : Dims{};
  return permute_named(input, order, "TBackward0");
}

Tensor movedim(const Tensor& input, const Dims& source, const Dims& destination) {
  RUSHLIGHT_CHECK(source.size() == destination.size(),
                  "movedim: Invalid source or destination dims: source (", to_string(source),
                  " dims) should contain the same number of dims as destination (", to_string(destination),
                  " dims)");
  Dims order(input.sizes().size(), -1);
  std::vector<bool> used(order.size(), false);
  for (size_t i = 0; i < source.size(); ++i) {
    const int64_t from = wrap_dim(source[i], input.dim());
    const int64_t to = wrap_dim(destination[i], input.dim());
    if (order.empty()) continue;
    RUSHLIGHT_CHECK(!used[from] && order[to] < 0, "movedim: repeated dim in source ", to_string(source),
                    " or destination ", to_string(destination));
    used[from] = true;
    order[to] = from;
  }
  size_t next = 0;
  for (int64_t& d : order) {
    if (d >= 0) continue;
    while (used[next]) ++next;
    d = static_cast<int64_t>(next++);
  }
  return permute(input, order);
}

namespace {
Tensor squeeze_where(const Tensor& input, const std::vector<bool>& chosen, const char* name) {
  Dims sizes;
  Dims strides;
  for (size_t i = 0; i < input.sizes().size(); ++i) {
    if (chosen[i] && input.sizes()[i] == 1) continue;
    sizes.push_back(input.sizes()[i]);
    strides.push_back(input.strides()[i]);
  }
  return make_view(input, sizes, strides, input.offset(), name,
                   [from = input.sizes()](const Tensor& grad) { return reshape(grad, from); });
}
}  // namespace

Tensor squeeze(const Tensor& input) {
  return squeeze_where(input, std::vector<bool>(input.sizes().size(), true), "SqueezeBackward0");
}

Tensor squeeze(const Tensor& input, const Dims& dims) {
  std::vector<bool> chosen(std::max<size_t>(input.sizes().size(), 1), false);
  for (const int64_t dim : dims) {
    const int64_t d = wrap_dim(dim, input.dim());
    RUSHLIGHT_CHECK(!chosen[d], "squeeze: dim ", d, " appears multiple times in the list of dims");
    chosen[d] = true;
  }
  return squeeze_where(input, chosen, dims.size() == 1 ? "SqueezeBackward1" : "SqueezeBackward2");
}

Tensor unsqueeze(const Tensor& input, int64_t dim) {
  const int64_t d = wrap_dim(dim, input.dim() + 1);
  Dims sizes = input.sizes();
  Dims strides = input.strides();
  const int64_t step = d < input.dim() ? sizes[d] * strides[d] : 1;
  sizes.insert(d, 1);
  strides.insert(d, step);
  return make_view(input, sizes, strides, input.offset(), "UnsqueezeBackward0",
                   [d](const Tensor& grad) { return squeeze(grad, {d}); });
}

Tensor expand(const Tensor& input, const Dims& sizes) {
  RUSHLIGHT_CHECK(sizes.size() >= input.sizes().size(), "expand: the number of sizes provided (",
                  sizes.size(), ") must be greater or equal to the number of dimensions in the tensor (",
                  input.dim(), ")");
  Dims target = sizes;
  Dims strides(sizes.size(), 0);
  const size_t missing = sizes.size() - input.sizes().size();
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (i < missing) {
      RUSHLIGHT_CHECK(target[i] >= 0, "expand: the expanded size of the tensor (", target[i],
                      ") isn't allowed in a leading, non-existing dimension ", i);
      continue;
    }
    const int64_t size = input.sizes()[i - missing];
    if (target[i] == -1) target[i] = size;
    RUSHLIGHT_CHECK(size == 1 || size == target[i], "The expanded size of the tensor (", target[i],
                    ") must match the existing size (", size, ") at non-singleton dimension ", i,
                    ".  Target sizes: ", to_string(sizes), ".  Tensor sizes: ", to_string(input.sizes()));
    strides[i] = size == 1 && target[i] != 1 ? 0 : input.strides()[i - missing];
  }
  return make_view(input, target, strides, input.offset(), "ExpandBackward0",
                   [from = input.sizes()](const Tensor& grad) { return sum_to_size(grad, from); });
}

Tensor broadcast_to(const Tensor& input, const Dims& sizes) { return expand(input, sizes); }

Tensor select(const Tensor& input, int64_t dim, int64_t index) {
  RUSHLIGHT_CHECK_INDEX(input.dim() > 0, "select() cannot be applied to a 0-dim tensor.");
  const int64_t d = wrap_dim(dim, input.dim());
  const int64_t size = input.sizes()[d];
  RUSHLIGHT_CHECK_INDEX(index >= -size && index < size, "index ", index, " is out of bounds for dimension ",
                        d, " with size ", size);
  const int64_t at = index < 0 ? index + size : index;
  Dims sizes = input.sizes();
  Dims strides = input.strides();
  const int64_t offset = input.offset() + at * strides[d];
  sizes.erase(d);
  strides.erase(d);
  return make_view(input, sizes, strides, offset, "SelectBackward0",
                   [d, at, from = input.sizes()](const Tensor& g) {
                     return embed(g, from, "SelectBackwardBackward0",
                                  [d, at](const Tensor& whole) { return select(whole, d, at); });
                   });
}

Tensor slice(const Tensor& input, int64_t dim, int64_t start, int64_t end, int64_t step) {
  RUSHLIGHT_CHECK_INDEX(input.dim() > 0, "slice() cannot be applied to a 0-dim tensor.");
  RUSHLIGHT_CHECK_VALUE(step > 0, "slice step must be greater than zero, got ", step,
                        ". Use flip() to reverse");
  const int64_t d = wrap_dim(dim, input.dim());
  const int64_t size = input.sizes()[d];
  start = std::clamp<int64_t>(start < 0 ? start + size : start, 0, size);
  end = std::clamp<int64_t>(end < 0 ? end + size : end, start, size);
  Dims sizes = input.sizes();
  Dims strides = input.strides();
  const int64_t offset = input.offset() + start * strides[d];
  sizes[d] = (end - start + step - 1) / step;
  strides[d] *= step;
  return make_view(input, sizes, strides, offset, "SliceBackward0",
                   [d, start, end, step, from = input.sizes()](const Tensor& g) {
                     return embed(g, from, "SliceBackwardBackward0",
                                  [d, start, end, step](const Tensor& whole) {
                                    return slice(whole, d, start, end, step);
                                  });
                   });
}

Tensor narrow(const Tensor& input, int64_t dim, int64_t start, int64_t length) {
  RUSHLIGHT_CHECK(input.dim() > 0, "narrow() cannot be applied to a 0-dim tensor.");
  const int64_t size = input.size(dim);
  RUSHLIGHT_CHECK(length >= 0, "narrow(): length must be non-negative, got ", length);
  RUSHLIGHT_CHECK_INDEX(start >= -size && start <= size, "start out of range (expected to be in range of [",
                        -size, ", ", size, "], but got ", start, ")");
  const int64_t from = start < 0 ? start + size : start;
  RUSHLIGHT_CHECK(from + length <= size, "start (", from, ") + length (", length,
                  ") exceeds dimension size (", size, ").");
  return slice(input, dim, from, from + length, 1);
}

Tensor diagonal(const Tensor& input, int64_t offset, int64_t dim1, int64_t dim2) {
  const int64_t a = wrap_dim(dim1, input.dim());
  const int64_t b = wrap_dim(dim2, input.dim());
  RUSHLIGHT_CHECK(a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  const int64_t rows = input.sizes()[a] + std::min<int64_t>(offset, 0);
  const int64_t columns = input.sizes()[b] - std::max<int64_t>(offset, 0);
  const int64_t length = std::max<int64_t>(std::min(rows, columns), 0);
  int64_t start = input.offset();
  if (length > 0) start += offset >= 0 ? offset * input.strides()[b] : -offset * input.strides()[a];
  Dims sizes;
  Dims strides;
  for (int64_t d = 0; d < input.dim(); ++d) {
    if (d == a || d == b) continue;
    sizes.push_back(input.sizes()[d]);
    strides.push_back(input.strides()[d]);
  }
  sizes.push_back(length);
  strides.push_back(input.strides()[a] + input.strides()[b]);
  return make_view(input, sizes, strides, start, "DiagonalBackward0",
                   [offset, a, b, from = input.sizes()](const Tensor& g) {
                     return embed(g, from, "DiagonalBackwardBackward0", [offset, a, b](const Tensor& whole) {
                       return diagonal(whole, offset, a, b);
                     });
                   });
}

namespace {
// A view of any geometry, which may show one element several times: its adjoint accumulates.
Tensor geometric_view(const Tensor& input, const Dims& sizes, const Dims& strides, int64_t offset,
                      const char* name) {
  const autograd::Geometry base{input.sizes(), input.strides(), input.offset()};
  const autograd::Geometry geometry{sizes, strides, offset};
  return make_view(input, sizes, strides, offset, name, [base, geometry](const Tensor& grad) {
    return autograd::grad_as_strided_accumulate(grad, base, geometry);
  });
}
}  // namespace

Tensor unfold(const Tensor& input, int64_t dim, int64_t size, int64_t step) {
  const int64_t d = wrap_dim(dim, input.dim());
  const int64_t length = input.dim() == 0 ? 1 : input.sizes()[d];
  RUSHLIGHT_CHECK(size >= 0 && size <= length, "maximum size for tensor at dimension ", d, " is ", length,
                  " but size is ", size);
  RUSHLIGHT_CHECK(step > 0, "step is ", step, " but must be > 0");
  Dims sizes = input.sizes();
  Dims strides = input.strides();
  sizes.push_back(size);
  strides.push_back(input.dim() == 0 ? 1 : strides[d]);
  if (input.dim() > 0) {
    sizes[d] = (length - size) / step + 1;
    strides[d] *= step;
  }
  return geometric_view(input, sizes, strides, input.offset(), "UnfoldBackward0");
}

Tensor as_strided(const Tensor& input, const Dims& sizes, const Dims& strides, int64_t offset) {
  RUSHLIGHT_CHECK(sizes.size() == strides.size(),
                  "mismatch in length of strides and shape: ", to_string(strides), " and ", to_string(sizes));
  RUSHLIGHT_CHECK(offset >= 0, "as_strided: storage offset must be non-negative, got ", offset);
  int64_t extent = numel_of(sizes) == 0 ? 0 : offset + 1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    RUSHLIGHT_CHECK(
        strides[i] >= 0,
        "as_strided: Negative strides are not supported at the moment, got strides: ", to_string(strides));
    int64_t reach = 0;
    const bool overflow = sizes[i] > 0 && __builtin_mul_overflow(sizes[i] - 1, strides[i], &reach);
    RUSHLIGHT_CHECK(!overflow && (extent == 0 || !__builtin_add_overflow(extent, reach, &extent)),
                    "as_strided: size ", to_string(sizes), " with strides ", to_string(strides),
                    " overflows");
  }
  const auto available = static_cast<int64_t>(input.storage().nbytes() / dtype_size(input.dtype()));
  RUSHLIGHT_CHECK(extent <= available, "setStorage: sizes ", to_string(sizes), ", strides ",
                  to_string(strides), ", storage offset ", offset, " require ", extent,
                  " elements, but the storage holds ", available);
  return geometric_view(input, sizes, strides, offset, "AsStridedBackward0");
}

Tensor sum_to_size(const Tensor& input, const Dims& sizes) { return autograd::grad_sum_to(input, sizes); }

}  // namespace rushlight::ops

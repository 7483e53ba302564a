#include "rushlight/ops/rearrange.h"

#include <algorithm>

#include "rushlight/autograd/record.h"
#include "rushlight/kernels/elementwise/copy.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/indexing.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

// Output position i along a padded dimension shows input position source(i) of `size`.
template <class Source>
Tensor gather_along(const Tensor& input, int64_t dim, int64_t length, Source source) {
  Tensor index = Tensor::empty({length}, DType::Int64);
  for (int64_t i = 0; i < length; ++i) index.data<int64_t>()[i] = source(i);
  std::vector<Tensor> indices(static_cast<size_t>(input.dim()));
  indices[static_cast<size_t>(dim)] = index;
  return ops::index(input, indices);
}

int64_t floor_mod(int64_t a, int64_t b) { return (a % b + b) % b; }

// What repeat_interleave repeats along the dimension it returns: a tensor of at least one dimension.
std::pair<Tensor, int64_t> interleaved_along(const Tensor& input, std::optional<int64_t> dim) {
  const int64_t d = dim.has_value() ? wrap_dim(*dim, input.dim()) : 0;
  return {dim.has_value() && input.dim() > 0 ? input : flatten(input, 0, -1), d};
}

}  // namespace

Tensor flip(const Tensor& input, const Dims& dims) {
  Tensor out = Tensor::empty(input.sizes(), input.dtype());
  std::vector<bool> chosen(std::max<size_t>(input.sizes().size(), 1), false);
  for (const int64_t dim : dims) {
    const int64_t d = wrap_dim(dim, input.dim());
    RUSHLIGHT_CHECK(!chosen[d], "flip: dim ", d, " appears multiple times in the list of dims ",
                    to_string(dims));
    chosen[d] = true;
  }
  if (input.numel() > 0) {
    const Access from = input.access();
    Dims strides = from.strides;
    int64_t offset = 0;
    for (size_t d = 0; d < strides.size(); ++d) {
      if (!chosen[d]) continue;
      offset += (input.sizes()[d] - 1) * strides[d];
      strides[d] = -strides[d];
    }
    kernels::copy(static_cast<int>(input.dim()), input.sizes().data(), input.dtype(),
                  from.data + offset * static_cast<int64_t>(dtype_size(input.dtype())), strides.data(),
                  out.dtype(), out.raw_data(), out.strides().data());
  }
  if (autograd::recording(input))
    autograd::record(out, "FlipBackward0", {input}, {},
                     [dims](Node&, const Tensor& grad) -> Grads { return {flip(grad, dims)}; });
  return out;
}

Tensor roll(const Tensor& input, const Dims& shifts, const Dims& dims) {
  RUSHLIGHT_CHECK(!shifts.empty(), "`shifts` required");
  if (dims.empty()) {
    RUSHLIGHT_CHECK(shifts.size() == 1, "shifts and dimensions must align. shifts: ", shifts.size(),
                    ", dims: 0");
    return view(roll(flatten(input, 0, -1), shifts, {0}), input.sizes());
  }
  RUSHLIGHT_CHECK(shifts.size() == dims.size(), "shifts and dimensions must align. shifts: ", shifts.size(),
                  ", dims: ", dims.size());
  Tensor out = input;
  {
    const autograd::GradModeGuard no_grad(false);
    for (size_t i = 0; i < dims.size(); ++i) {
      const int64_t d = wrap_dim(dims[i], input.dim());
      const int64_t size = input.dim() == 0 ? 0 : input.sizes()[d];
      const int64_t shift = size == 0 ? 0 : floor_mod(shifts[i], size);
      Tensor rolled = Tensor::empty(input.sizes(), input.dtype());
      if (shift > 0) {
        copy_into(narrow(rolled, d, 0, shift), narrow(out, d, size - shift, shift));
        copy_into(narrow(rolled, d, shift, size - shift), narrow(out, d, 0, size - shift));
      } else {
        copy_into(rolled, out);
      }
      out = rolled;
    }
  }
  if (autograd::recording(input)) {
    Dims back = shifts;
    for (int64_t& shift : back) shift = -shift;
    autograd::record(out, "RollBackward0", {input}, {},
                     [back, dims](Node&, const Tensor& grad) -> Grads { return {roll(grad, back, dims)}; });
  }
  return out;
}

Tensor repeat(const Tensor& input, const Dims& repeats) {
  RUSHLIGHT_CHECK(
      repeats.size() >= input.sizes().size(),
      "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: got ",
      to_string(repeats), " for shape ", to_string(input.sizes()));
  const size_t missing = repeats.size() - input.sizes().size();
  Dims sizes;        // of the result
  Dims interleaved;  // repeat, size, repeat, size, ...
  Dims ones;
  for (size_t d = 0; d < repeats.size(); ++d) {
    RUSHLIGHT_CHECK(repeats[d] >= 0, "repeat: repeats must be non-negative, got ", to_string(repeats));
    const int64_t size = d < missing ? 1 : input.sizes()[d - missing];
    sizes.push_back(repeats[d] * size);
    interleaved.push_back(repeats[d]);
    interleaved.push_back(size);
    ones.push_back(1);
    ones.push_back(size);
  }
  Tensor out = Tensor::empty(sizes, input.dtype());
  {
    const autograd::GradModeGuard no_grad(false);
    copy_into(out.alias(interleaved, contiguous_strides(interleaved), 0), reshape(input, ones));
  }
  if (autograd::recording(input))
    autograd::record(out, "RepeatBackward0", {input}, {},
                     [interleaved, from = input.sizes()](Node&, const Tensor& grad) -> Grads {
                       Dims repeated;
                       for (size_t d = 0; d < interleaved.size(); d += 2)
                         repeated.push_back(static_cast<int64_t>(d));
                       const Tensor blocks = reshape(grad, interleaved);
                       return {reshape(repeated.empty() ? blocks : sum(blocks, repeated, false), from)};
                     });
  return out;
}

Tensor tile(const Tensor& input, const Dims& repeats) {
  Dims padded = repeats;
  while (padded.size() < input.sizes().size()) padded.insert(0, 1);
  return repeat(input, padded);
}

Tensor constant_pad_nd(const Tensor& input, const Dims& padding, double value) {
  const size_t n = input.sizes().size();
  RUSHLIGHT_CHECK(padding.size() % 2 == 0, "Padding length must be divisible by 2, got ", to_string(padding));
  RUSHLIGHT_CHECK(padding.size() <= 2 * n,
                  "Padding length should be less than or equal to two times the input "
                  "dimension but got padding length ",
                  padding.size(), " and input of dimension ", n);
  Dims sizes = input.sizes();
  for (size_t i = 0; i < padding.size() / 2; ++i) {
    int64_t& size = sizes[n - 1 - i];
    size += padding[2 * i] + padding[2 * i + 1];
    RUSHLIGHT_CHECK(size >= 0, "The input size ", input.sizes()[n - 1 - i], ", plus negative padding ",
                    padding[2 * i], " and ", padding[2 * i + 1],
                    " resulted in a negative output size, which is invalid. Check dimension ", n - 1 - i,
                    " of your input.");
  }
  Tensor out = full(sizes, value, input.dtype());
  {
    const autograd::GradModeGuard no_grad(false);
    Tensor inside = out;
    Tensor source = input;
    for (size_t i = 0; i < padding.size() / 2; ++i) {
      const auto d = static_cast<int64_t>(n - 1 - i);
      const int64_t left = padding[2 * i];
      const int64_t right = padding[2 * i + 1];
      source =
          slice(source, d, std::max<int64_t>(-left, 0), input.sizes()[d] - std::max<int64_t>(-right, 0), 1);
      inside = slice(inside, d, std::max<int64_t>(left, 0), sizes[d] - std::max<int64_t>(right, 0), 1);
    }
    copy_into(inside, source);
  }
  if (autograd::recording(input)) {
    Dims back = padding;
    for (int64_t& amount : back) amount = -amount;
    autograd::record(out, "ConstantPadNdBackward0", {input}, {},
                     [back](Node&, const Tensor& grad) -> Grads { return {constant_pad_nd(grad, back, 0)}; });
  }
  return out;
}

Tensor pad(const Tensor& input, const Dims& padding, const std::string& mode, double value) {
  if (mode == "constant") return constant_pad_nd(input, padding, value);
  RUSHLIGHT_CHECK_AS(NotImplementedError, mode == "reflect" || mode == "replicate" || mode == "circular",
                     "Unrecognised padding mode ", mode,
                     ": expected constant, reflect, replicate or circular");
  const auto n = static_cast<int64_t>(input.sizes().size());
  const auto padded = static_cast<int64_t>(padding.size() / 2);
  RUSHLIGHT_CHECK_AS(
      NotImplementedError,
      padding.size() % 2 == 0 && padded >= 1 && padded <= 3 && (n == padded + 1 || n == padded + 2),
      "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: got an input of ", n,
      " dimensions and padding ", to_string(padding));
  Tensor out = input;
  for (int64_t i = 0; i < padded; ++i) {
    const int64_t d = n - 1 - i;
    const int64_t size = input.sizes()[d];
    const int64_t left = padding[static_cast<size_t>(2 * i)];
    const int64_t right = padding[static_cast<size_t>(2 * i + 1)];
    const int64_t limit = mode == "reflect" ? size - 1 : mode == "circular" ? size : std::max(left, right);
    RUSHLIGHT_CHECK(left <= limit && right <= limit, mode, " padding: padding size should be ",
                    mode == "reflect" ? "less than" : "at most",
                    " the corresponding input dimension, but got: padding (", left, ", ", right,
                    ") at dimension ", d, " of input ", to_string(input.sizes()));
    RUSHLIGHT_CHECK(size > 0 && size + left + right > 0, mode, " padding: input ", to_string(input.sizes()),
                    " with padding ", to_string(padding), " gives an empty result at dimension ", d);
    out = gather_along(out, d, size + left + right, [&](int64_t position) {
      const int64_t at = position - left;
      if (mode == "circular") return floor_mod(at, size);
      if (mode == "replicate") return std::clamp<int64_t>(at, 0, size - 1);
      return at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at;
    });
  }
  return out;
}

Tensor repeat_interleave(const Tensor& input, int64_t repeats, std::optional<int64_t> dim) {
  RUSHLIGHT_CHECK(repeats >= 0, "repeats can not be negative, got ", repeats);
  const auto [source, d] = interleaved_along(input, dim);
  return gather_along(source, d, source.size(d) * repeats, [repeats](int64_t i) { return i / repeats; });
}

Tensor repeat_interleave(const Tensor& input, const Tensor& repeats, std::optional<int64_t> dim) {
  RUSHLIGHT_CHECK(is_integral(repeats.dtype()) && repeats.dtype() != DType::Bool && repeats.dim() <= 1,
                  "repeats must be 0-dim or 1-dim integer tensor, got ", dtype_name(repeats.dtype()),
                  " of shape ", to_string(repeats.sizes()));
  const auto [source, d] = interleaved_along(input, dim);
  const Tensor counts = contiguous(to(repeats, DType::Int64));
  const int64_t size = source.size(d);
  RUSHLIGHT_CHECK(counts.numel() == 1 || counts.numel() == size,
                  "repeats must have the same size as input along dim, but got repeats.size(0) = ",
                  counts.numel(), " and input.size(", d, ") = ", size);
  std::vector<int64_t> places;
  for (int64_t i = 0; i < size; ++i) {
    const int64_t count = counts.data<int64_t>()[counts.numel() == 1 ? 0 : i];
    RUSHLIGHT_CHECK(count >= 0, "repeats can not be negative, got ", count);
    places.insert(places.end(), static_cast<size_t>(count), i);
  }
  return gather_along(source, d, static_cast<int64_t>(places.size()),
                      [&](int64_t i) { return places[static_cast<size_t>(i)]; });
}

}  // namespace rushlight::ops

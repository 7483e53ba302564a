#include "rushlight/tensor/shape.h"

#include <limits>

#include "rushlight/base/check.h"

namespace rushlight {

std::string to_string(const Dims& dims) {
  std::string text = "(";
  for (size_t i = 0; i < dims.size(); ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
  return text + (dims.size() == 1 ? ",)" : ")");
}

int64_t numel_of(const Dims& sizes) {
  int64_t count = 1;
  bool zero = false;
  for (const int64_t size : sizes) {
    RUSHLIGHT_CHECK(size >= 0, "negative dimension ", size, " in shape ", to_string(sizes),
                    ": sizes must be 0 or more");
    if (size == 0) {
      zero = true;
      continue;
    }
    RUSHLIGHT_CHECK(count <= std::numeric_limits<int64_t>::max() / 16 / size, "shape ", to_string(sizes),
                    " has more elements than memory can hold");
    count *= size;
  }
  return zero ? 0 : count;
}

Dims contiguous_strides(const Dims& sizes) {
  Dims strides(sizes.size());
  int64_t step = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(sizes[i], 1);
  }
  return strides;
}

Dims channels_last_strides(const Dims& sizes) {
  const int64_t c = sizes[1];
  const int64_t h = sizes[2];
  const int64_t w = sizes[3];
  return {h * w * c, 1, w * c, c};
}

bool is_contiguous(const Dims& sizes, const Dims& strides) {
  int64_t step = 1;
  bool ordered = true;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] == 0) return true;
    if (sizes[i] != 1 && strides[i] != step) ordered = false;
    step *= sizes[i];
  }
  return ordered;
}

Dims broadcast_sizes(const Dims& a, const Dims& b, const char* op) {
  if (a == b) return a;
  const size_t dims = std::max(a.size(), b.size());
  Dims result(dims);
  for (size_t i = 0; i < dims; ++i) {
    const int64_t size_a = i < dims - a.size() ? 1 : a[i - (dims - a.size())];
    const int64_t size_b = i < dims - b.size() ? 1 : b[i - (dims - b.size())];
    RUSHLIGHT_CHECK(size_a == size_b || size_a == 1 || size_b == 1, op, ": shapes ", to_string(a), " and ",
                    to_string(b), " do not broadcast: The size of tensor a (", size_a,
                    ") must match the size of tensor b (", size_b, ") at non-singleton dimension ", i);
    result[i] = size_a == 1 ? size_b : size_a;
  }
  return result;
}

Dims broadcast_strides(const Dims& sizes, const Dims& strides, const Dims& target) {
  Dims result(target.size());
  const size_t missing = target.size() - sizes.size();
  for (size_t i = 0; i < sizes.size(); ++i)
    result[missing + i] = sizes[i] == 1 && target[missing + i] != 1 ? 0 : strides[i];
  return result;
}

int64_t wrap_dim(int64_t dim, int64_t dims) {
  const int64_t range = std::max<int64_t>(dims, 1);
  RUSHLIGHT_CHECK_INDEX(dim >= -range && dim < range, "Dimension out of range (expected to be in range of [",
                        -range, ", ", range - 1, "], but got ", dim, ")");
  return dim < 0 ? dim + range : dim;
}

int64_t existing_dim(int64_t dim, int64_t dims) {
  RUSHLIGHT_CHECK_INDEX(dims > 0, "Dimension specified as ", dim, " but tensor has no dimensions");
  return wrap_dim(dim, dims);
}

Dims infer_size(const Dims& sizes, int64_t numel) {
  Dims result = sizes;
  int64_t product = 1;
  int64_t unknown = -1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == -1) {
      RUSHLIGHT_CHECK(unknown < 0, "only one dimension can be inferred, got shape ", to_string(sizes));
      unknown = static_cast<int64_t>(i);
    } else {
      RUSHLIGHT_CHECK(sizes[i] >= 0, "invalid shape dimension ", sizes[i], " in ", to_string(sizes));
      RUSHLIGHT_CHECK(!__builtin_mul_overflow(product, sizes[i], &product), "shape ", to_string(sizes),
                      " has more elements than memory can hold");
    }
  }
  if (unknown >= 0) {
    RUSHLIGHT_CHECK(product != 0, "cannot reshape tensor of ", numel, " elements into shape ",
                    to_string(sizes), " because the unspecified dimension size -1 can be any value");
    if (numel % product == 0) {
      result[unknown] = numel / product;
      return result;
    }
  }
  RUSHLIGHT_CHECK(unknown < 0 && product == numel, "shape '", to_string(sizes),
                  "' is invalid for input of size ", numel);
  return result;
}

bool view_strides(const Dims& sizes, const Dims& strides, const Dims& target, Dims* result) {
  *result = Dims(target.size());
  if (numel_of(sizes) == 0) {
    *result = sizes == target ? strides : contiguous_strides(target);
    return true;
  }
  // Walk from the innermost dimension, matching each chunk of memory-adjacent source dimensions.
  int64_t view = static_cast<int64_t>(target.size()) - 1;
  int64_t chunk_stride = sizes.empty() ? 1 : strides.back();
  int64_t source_count = 1;
  int64_t view_count = 1;
  for (int64_t d = static_cast<int64_t>(sizes.size()) - 1; d >= 0; --d) {
    source_count *= sizes[d];
    const bool chunk_ends = d == 0 || (sizes[d - 1] != 1 && strides[d - 1] != source_count * chunk_stride);
    if (!chunk_ends) continue;
    while (view >= 0 && (view_count < source_count || target[view] == 1)) {
      (*result)[view] = view_count * chunk_stride;
      view_count *= target[view];
      --view;
    }
    if (view_count != source_count) return false;
    if (d > 0) {
      chunk_stride = strides[d - 1];
      source_count = 1;
      view_count = 1;
    }
  }
  for (; view >= 0; --view) (*result)[view] = view_count * chunk_stride;
  return true;
}

}  // namespace rushlight

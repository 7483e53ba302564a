#include "rushlight/kernels/indexing/indexing.h"

#include <algorithm>
#include <cstring>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kGrain = 16384;  // elements a piece of work should move at least

int64_t grain_for(int64_t elements_per_item) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, elements_per_item));
}

// Calls f(TypeTag<U>{}) with an unsigned type of the element's size: moving data needs no more.
template <class F>
void dispatch_size(DType dtype, F&& f) {
  switch (dtype_size(dtype)) {
    case 1: return f(TypeTag<uint8_t>{});
    case 2: return f(TypeTag<uint16_t>{});
    case 4: return f(TypeTag<uint32_t>{});
    default: return f(TypeTag<uint64_t>{});
  }
}

template <class T>
T plus(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a || b;
  else
    return static_cast<T>(a + b);
}

template <class T>
T times(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a && b;
  else
    return static_cast<T>(a * b);
}

// Element offsets of all index tuples; raises IndexError for the first index that is out of range.
std::vector<int64_t> tuple_offsets(const IndexParams& params) {
  std::vector<int64_t> offsets(static_cast<size_t>(params.count), 0);
  for (const IndexedDim& dim : params.dims) {
    for (int64_t t = 0; t < params.count; ++t) {
      const int64_t index = dim.index[t];
      RUSHLIGHT_CHECK_INDEX(index >= -dim.size && index < dim.size, "index ", index,
                            " is out of bounds for dimension ", dim.dim, " with size ", dim.size);
      offsets[static_cast<size_t>(t)] += (index < 0 ? index + dim.size : index) * dim.stride;
    }
  }
  return offsets;
}

// Pairs base lines with value lines: for_line(base_offset, values_offset) for every line of the block
// in [begin, end) of every tuple in order.
template <class Line>
void walk_block(const IndexParams& params, const std::vector<StridedDim<2>>& block,
                const std::vector<int64_t>& offsets, int64_t first_tuple, int64_t last_tuple,
                int64_t first_line, int64_t last_line, Line&& for_line) {
  for (int64_t t = first_tuple; t < last_tuple; ++t) {
    const int64_t base = offsets[static_cast<size_t>(t)];
    const int64_t values = t * params.values_step;
    if (block.size() == 1) {
      for_line(base, values);
      continue;
    }
    Odometer<2> at(block, block.size() - 1, first_line);
    for (int64_t line = first_line; line < last_line; ++line, at.next())
      for_line(base + at.offset(0), values + at.offset(1));
  }
}

// dst and src are two operands of a block line; `op` combines them where the strides allow no plain copy.
template <class T>
void copy_line(T* dst, int64_t dst_stride, const T* src, int64_t src_stride, int64_t n) {
  if (dst_stride == 1 && src_stride == 1) {
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i * dst_stride] = src[i * src_stride];
  }
}

// Runs store(base line, values line, n) so that every element of base is written by one thread in tuple
// order: the work is cut across the block, never across tuples.
template <class T, class Store>
void write_blocks(const IndexParams& params, T* base, const T* values, Store&& store) {
  const auto block = coalesce(params.block);
  const auto offsets = tuple_offsets(params);
  const StridedDim<2> inner = block.back();
  const int64_t lines = element_count(block) / std::max<int64_t>(1, inner.size);
  if (params.count == 0 || element_count(block) == 0) return;
  if (lines == 1) {
    const int64_t grain = std::max<int64_t>(64, grain_for(params.count));
    parallel_for(inner.size, grain, [&](int64_t begin, int64_t end) {
      for (int64_t t = 0; t < params.count; ++t)
        store(base + offsets[static_cast<size_t>(t)] + begin * inner.strides[0], inner.strides[0],
              values + t * params.values_step + begin * inner.strides[1], inner.strides[1], end - begin);
    });
    return;
  }
  parallel_for(lines, grain_for(inner.size * params.count), [&](int64_t begin, int64_t end) {
    walk_block(params, block, offsets, 0, params.count, begin, end, [&](int64_t to, int64_t from) {
      store(base + to, inner.strides[0], values + from, inner.strides[1], inner.size);
    });
  });
}

void check_gather_indices(const GatherParams& params, int64_t count) {
  int64_t lowest = 0;
  int64_t highest = -1;
  for (int64_t i = 0; i < count; ++i) {
    lowest = std::min(lowest, params.index[i]);
    highest = std::max(highest, params.index[i]);
  }
  if (lowest >= 0 && highest < params.table_size) return;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = params.index[i];
    RUSHLIGHT_CHECK(index >= 0 && index < params.table_size, params.op, ": index ", index,
                    " is out of bounds for dimension ", params.dim, " with size ", params.table_size);
  }
}

// Calls visit(table element, other element) for every position, in row-major order along each line of `dim`;
// different lines touch different table elements and may run on different threads.
template <class T, class U, class Visit>
void walk_lines(const GatherParams& params, T* table, U* other, Visit&& visit) {
  const int64_t count = element_count(params.dims);
  check_gather_indices(params, count);
  if (count == 0) return;
  const StridedDim<2> along = params.dims[params.dim];
  std::vector<StridedDim<3>> lines;  // third operand: the index
  int64_t pitch = 1;
  int64_t along_pitch = 1;
  for (size_t d = params.dims.size(); d-- > 0;) {
    const StridedDim<2>& dim = params.dims[d];
    if (d == params.dim)
      along_pitch = pitch;
    else
      lines.insert(lines.begin(), StridedDim<3>{dim.size, {dim.strides[0], dim.strides[1], pitch}});
    pitch *= dim.size;
  }
  parallel_for(count / along.size, grain_for(along.size), [&](int64_t begin, int64_t end) {
    Odometer<3> at(lines, lines.size(), begin);
    for (int64_t line = begin; line < end; ++line, at.next()) {
      const int64_t* index = params.index + at.offset(2);
      T* row = table + at.offset(0);
      U* element = other + at.offset(1);
      for (int64_t i = 0; i < along.size; ++i)
        visit(row[index[i * along_pitch] * along.strides[0]], element[i * along.strides[1]]);
    }
  });
}

template <class T>
T reduced(ScatterReduce reduce, T a, T b) {
  switch (reduce) {
    case ScatterReduce::Sum: return plus(a, b);
    case ScatterReduce::Prod: return times(a, b);
    case ScatterReduce::Max: return a != a || a > b ? a : b;
    default: return a != a || a < b ? a : b;
  }
}

}  // namespace

void index_read(const IndexParams& params, const void* base, void* values) {
  const auto block = coalesce(params.block);
  const auto offsets = tuple_offsets(params);
  const StridedDim<2> inner = block.back();
  const int64_t block_size = element_count(block);
  if (params.count == 0 || block_size == 0) return;
  dispatch_size(params.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = static_cast<const T*>(base);
    T* to = static_cast<T*>(values);
    parallel_for(params.count, grain_for(block_size), [&](int64_t begin, int64_t end) {
      walk_block(params, block, offsets, begin, end, 0, block_size / inner.size,
                 [&](int64_t source, int64_t dest) {
                   copy_line(to + dest, inner.strides[1], from + source, inner.strides[0], inner.size);
                 });
    });
  });
}

void index_write(const IndexParams& params, void* base, const void* values) {
  dispatch_size(params.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    write_blocks(params, static_cast<T*>(base), static_cast<const T*>(values),
                 [](T* to, int64_t to_stride, const T* from, int64_t from_stride, int64_t n) {
                   copy_line(to, to_stride, from, from_stride, n);
                 });
  });
}

void index_accumulate(const IndexParams& params, void* base, const void* values) {
  dispatch_all(params.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    write_blocks(params, static_cast<T*>(base), static_cast<const T*>(values),
                 [](T* to, int64_t to_stride, const T* from, int64_t from_stride, int64_t n) {
                   for (int64_t i = 0; i < n; ++i)
                     to[i * to_stride] = plus(to[i * to_stride], from[i * from_stride]);
                 });
  });
}

void gather(const GatherParams& params, const void* table, void* other) {
  dispatch_size(params.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    walk_lines(params, static_cast<const T*>(table), static_cast<T*>(other),
               [](const T& from, T& to) { to = from; });
  });
}

void scatter(const GatherParams& params, void* table, const void* other) {
  dispatch_size(params.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    walk_lines(params, static_cast<T*>(table), static_cast<const T*>(other),
               [](T& to, const T& from) { to = from; });
  });
}

void scatter_reduce(const GatherParams& params, ScatterReduce reduce, void* table, const void* other) {
  dispatch_all(params.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    walk_lines(params, static_cast<T*>(table), static_cast<const T*>(other),
               [reduce](T& to, const T& from) { to = reduced(reduce, to, from); });
  });
}

int64_t count_nonzero(DType dtype, const void* src, int64_t n) {
  return dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* values = static_cast<const T*>(src);
    int64_t count = 0;
    for (int64_t i = 0; i < n; ++i) count += values[i] != T(0);
    return count;
  });
}

void nonzero(DType dtype, const void* src, int64_t n, int64_t* dst) {
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* values = static_cast<const T*>(src);
    for (int64_t i = 0; i < n; ++i)
      if (values[i] != T(0)) *dst++ = i;
  });
}

}  // namespace rushlight::kernels

#include "rushlight/kernels/elementwise/copy.h"

#include <cstring>

#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/kernels/elementwise/strided.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kTile = 16;

// The dimension along which src is dense while dst is dense along dimension 0; -1 if there is none.
int transposed_dimension(const StridedLoop<2>& loop, int64_t src_size) {
  if (loop.ndim() < 2 || loop.size(0) < 4 || std::abs(loop.stride(1, 0)) <= src_size) return -1;
  for (int d = 1; d < loop.ndim(); ++d)
    if (loop.stride(1, d) == src_size && loop.size(d) >= 4) return d;
  return -1;
}

// One tile goes through a local buffer, so that each cache line of src and dst is touched once
// whatever the pitches are.
template <class T>
void copy_tile(ConvertRun run, int64_t rows, int64_t columns, const char* src, int64_t src_pitch,
               int64_t src_stride, char* dst, int64_t dst_pitch, int64_t dst_stride) {
  T buffer[kTile][kTile];
  for (int64_t i = 0; i < columns; ++i)
    run(rows, src + i * src_pitch, src_stride, reinterpret_cast<char*>(buffer[i]), sizeof(T));
  for (int64_t j = 0; j < rows; ++j)
    for (int64_t i = 0; i < columns; ++i)
      *reinterpret_cast<T*>(dst + j * dst_pitch + i * dst_stride) = buffer[i][j];
}

// dimension 0 is dense in dst, `dense` in src; the other dimensions only shift the plane.
template <class T>
void copy_transposed(const StridedLoop<2>& loop, int dense, ConvertRun run) {
  const int64_t columns = loop.size(0);
  const int64_t rows = loop.size(dense);
  const int64_t row_tiles = (rows + kTile - 1) / kTile;
  const int64_t planes = loop.count() / (columns * rows);
  const int64_t grain = std::max<int64_t>(1, kElementwiseGrain / (columns * kTile));
  HeavyWork scope(loop.count());
  parallel_for(planes * row_tiles, grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t row = item % row_tiles * kTile;
      int64_t plane = item / row_tiles;
      char* dst = loop.base(0) + row * loop.stride(0, dense);
      const char* src = loop.base(1) + row * loop.stride(1, dense);
      for (int d = 1; d < loop.ndim(); ++d) {
        if (d == dense) continue;
        dst += plane % loop.size(d) * loop.stride(0, d);
        src += plane % loop.size(d) * loop.stride(1, d);
        plane /= loop.size(d);
      }
      for (int64_t column = 0; column < columns; column += kTile)
        copy_tile<T>(run, std::min(kTile, rows - row), std::min(kTile, columns - column),
                     src + column * loop.stride(1, 0), loop.stride(1, 0), loop.stride(1, dense),
                     dst + column * loop.stride(0, 0), loop.stride(0, dense), loop.stride(0, 0));
    }
  });
}

}  // namespace

void convert(int64_t count, DType src_dtype, const void* src, DType dst_dtype, void* dst) {
  const ConvertRun run = find_convert(src_dtype, dst_dtype);
  const int64_t src_size = static_cast<int64_t>(dtype_size(src_dtype));
  const int64_t dst_size = static_cast<int64_t>(dtype_size(dst_dtype));
  const char* from = static_cast<const char*>(src);
  char* to = static_cast<char*>(dst);
  HeavyWork scope(count);
  parallel_for(count, kElementwiseGrain, [&](int64_t begin, int64_t end) {
    run(end - begin, from + begin * src_size, src_size, to + begin * dst_size, dst_size);
  });
}

void copy(int ndim, const int64_t* shape, DType src_dtype, const void* src, const int64_t* src_strides,
          DType dst_dtype, void* dst, const int64_t* dst_strides) {
  if (is_dense(ndim, shape, src_strides) && is_dense(ndim, shape, dst_strides)) {
    convert(count_elements(ndim, shape), src_dtype, src, dst_dtype, dst);
    return;
  }
  const int64_t src_size = static_cast<int64_t>(dtype_size(src_dtype));
  const int64_t dst_size = static_cast<int64_t>(dtype_size(dst_dtype));
  const StridedLoop<2> loop(ndim, shape, {{dst, dst_strides, dst_size}, {src, src_strides, src_size}});
  if (loop.count() == 0) return;
  const ConvertRun run = find_convert(src_dtype, dst_dtype);
  const int dense = transposed_dimension(loop, src_size);
  if (dense > 0) {
    dispatch_size(dst_dtype,
                  [&](auto tag) { copy_transposed<typename decltype(tag)::type>(loop, dense, run); });
    return;
  }
  loop.run(kElementwiseGrain, [run](char* const* pointers, const int64_t* strides, int64_t n) {
    run(n, pointers[1], strides[1], pointers[0], strides[0]);
  });
}

void fill(int ndim, const int64_t* shape, DType dtype, void* dst, const int64_t* strides, const void* value) {
  dispatch_size(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T element;
    std::memcpy(&element, value, sizeof(T));
    const StridedLoop<1> loop(ndim, shape, {{dst, strides, sizeof(T)}});
    loop.run(kElementwiseGrain, [element](char* const* pointers, const int64_t* steps, int64_t n) {
      if (steps[0] == sizeof(T)) {
        std::fill_n(reinterpret_cast<T*>(pointers[0]), n, element);
        return;
      }
      for (int64_t i = 0; i < n; ++i) *reinterpret_cast<T*>(pointers[0] + i * steps[0]) = element;
    });
  });
}

}  // namespace rushlight::kernels

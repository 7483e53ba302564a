#include "rushlight/kernels/softmax/softmax.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/kernels/reduce/reduce_table.h"
#include "rushlight/kernels/softmax/softmax_table.h"

namespace rushlight::kernels {
namespace {

template <class T>
const SoftmaxTable<T>& softmax_table();
template <>
const SoftmaxTable<float>& softmax_table() {
  return *RUSHLIGHT_PER_ISA(kSoftmaxF32).at(active_isa());
}
template <>
const SoftmaxTable<double>& softmax_table() {
  return *RUSHLIGHT_PER_ISA(kSoftmaxF64).at(active_isa());
}

// `height` rows of `width` elements, from one pitch to another, converted.
void convert_rows(DType from, const char* src, int64_t src_pitch, DType to, char* dst, int64_t dst_pitch,
                  int64_t height, int64_t width) {
  const ConvertRun convert = find_convert(from, to);
  const auto from_size = static_cast<int64_t>(dtype_size(from));
  const auto to_size = static_cast<int64_t>(dtype_size(to));
  for (int64_t i = 0; i < height; ++i)
    convert(width, src + i * src_pitch * from_size, from_size, dst + i * dst_pitch * to_size, to_size);
}

// Calls row(const C* a, const C* b, C* out) for every contiguous line, or columns(a, b, out, pitch, width)
// for every panel of neighbouring ones; b is null if `second` is. Elements that are no C go through buffers.
template <class T, class C, class Row, class Columns>
void for_each_line(const SoftmaxParams& params, const T* first, const T* second, T* dst, Row&& row,
                   Columns&& columns) {
  const int64_t n = params.n;
  const int64_t inner = params.inner;
  const int64_t panels = (inner + kSoftmaxPanel - 1) / kSoftmaxPanel;
  if (n == 0 || inner == 0) return;
  HeavyWork scope(params.outer * n * inner * 4);
  const int64_t grain = std::max<int64_t>(1, 8192 / (n * std::min(inner, kSoftmaxPanel)));
  parallel_for(params.outer * panels, grain, [&](int64_t begin, int64_t end) {
    std::vector<C> buffer;
    for (int64_t job = begin; job < end; ++job) {
      const int64_t column = job % panels * kSoftmaxPanel;
      const int64_t at = job / panels * n * inner + column;
      const int64_t width = std::min(kSoftmaxPanel, inner - column);
      const T* a = first + at;
      const T* b = second != nullptr ? second + at : nullptr;
      if constexpr (std::is_same_v<T, C>) {
        inner == 1 ? row(a, b, dst + at) : columns(a, b, dst + at, inner, width);
      } else {
        buffer.resize(static_cast<size_t>(2 * n * width));
        C* lines = buffer.data();
        C* other = b != nullptr ? lines + n * width : nullptr;
        const bool flat = inner == 1;  // one row of n rather than n rows of one
        const auto copy_in = [&](const T* from, C* to) {
          convert_rows(DTypeOf<T>::value, reinterpret_cast<const char*>(from), inner, DTypeOf<C>::value,
                       reinterpret_cast<char*>(to), width, flat ? 1 : n, flat ? n : width);
        };
        copy_in(a, lines);
        if (b != nullptr) copy_in(b, other);
        flat ? row(lines, other, lines) : columns(lines, other, lines, width, width);
        convert_rows(DTypeOf<C>::value, reinterpret_cast<const char*>(lines), width, DTypeOf<T>::value,
                     reinterpret_cast<char*>(dst + at), inner, flat ? 1 : n, flat ? n : width);
      }
    }
  });
}

}  // namespace

void softmax(const SoftmaxParams& params, const void* src, void* dst) {
  dispatch_floating(params.dtype, "softmax", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = std::conditional_t<sizeof(T) == 8, double, float>;  // what it is computed in
    const auto max = reduce_table<C>().max;
    const auto& table = softmax_table<C>();
    const auto row = params.log ? table.log_softmax : table.softmax;
    for_each_line<T, C>(
        params, static_cast<const T*>(src), nullptr, static_cast<T*>(dst),
        [&](const C* from, const C*, C* to) { row(from, to, params.n, max(from, params.n)); },
        [&](const C* from, const C*, C* to, int64_t pitch, int64_t width) {
          table.columns(params.log, from, to, params.n, pitch, width);
        });
  });
}

void softmax_backward(const SoftmaxParams& params, const void* grad_dst, const void* dst, void* grad_src) {
  dispatch_floating(params.dtype, "softmax", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = std::conditional_t<sizeof(T) == 8, double, float>;  // what it is computed in
    const auto& table = softmax_table<C>();
    const auto row = params.log ? table.log_softmax_backward : table.softmax_backward;
    for_each_line<T, C>(
        params, static_cast<const T*>(grad_dst), static_cast<const T*>(dst), static_cast<T*>(grad_src),
        [&](const C* grad, const C* y, C* to) { row(grad, y, to, params.n); },
        [&](const C* grad, const C* y, C* to, int64_t pitch, int64_t width) {
          table.columns_backward(params.log, grad, y, to, params.n, pitch, width);
        });
  });
}

void logsumexp_rows(DType dtype, int64_t rows, int64_t n, const void* src, void* dst) {
  constexpr int64_t kPiece = 65536;  // of a row
  const int64_t pieces = (n + kPiece - 1) / kPiece;
  HeavyWork scope(rows * n * 2);
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
    struct Part {
      T max;
      double sum;
    };
    const T* from = static_cast<const T*>(src);
    std::vector<Part> parts(static_cast<size_t>(rows * pieces));
    const auto max = reduce_table<T>().max;
    const auto exp_sum = softmax_table<T>().exp_sum;
    parallel_for(rows * pieces, std::max<int64_t>(1, 16384 / n), [&](int64_t begin, int64_t end) {
      for (int64_t job = begin; job < end; ++job) {
        const int64_t first = job % pieces * kPiece;
        const T* row = from + job / pieces * n + first;
        const int64_t size = std::min(kPiece, n - first);
        const T top = max(row, size);
        // An infinity or NaN is the result, unless another piece has a larger one.
        parts[static_cast<size_t>(job)] = {top, std::isfinite(top) ? exp_sum(row, size, top) : 1.0};
      }
    });
    for (int64_t r = 0; r < rows; ++r) {
      const Part* row = parts.data() + r * pieces;
      T top = row[0].max;
      for (int64_t p = 1; p < pieces; ++p)
        if (row[p].max > top || row[p].max != row[p].max) top = row[p].max;
      double total = 0.0;
      for (int64_t p = 0; p < pieces; ++p)
        total += row[p].sum * std::exp(static_cast<double>(row[p].max) - static_cast<double>(top));
      static_cast<T*>(dst)[r] =
          std::isfinite(top) ? static_cast<T>(static_cast<double>(top) + std::log(total)) : top;
    }
  };
  if (dtype == DType::Float32) return run(TypeTag<float>{});
  RUSHLIGHT_INTERNAL_ASSERT(dtype == DType::Float64, "logsumexp_rows of ", dtype_name(dtype));
  run(TypeTag<double>{});
}

void cross_entropy_backward(DType dtype, int64_t rows, int64_t n, const void* log_probs,
                            const int64_t* target, const double* scale, void* grad_src) {
  if (rows == 0 || n == 0) return;
  HeavyWork scope(rows * n * 2);
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = static_cast<const T*>(log_probs);
    T* to = static_cast<T*>(grad_src);
    const auto row = softmax_table<T>().exp_scaled;
    parallel_for(rows, std::max<int64_t>(1, 16384 / n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T factor = static_cast<T>(scale[r]);
        row(from + r * n, factor, to + r * n, n);
        if (factor != T(0)) to[r * n + target[r]] -= factor;
      }
    });
  };
  if (dtype == DType::Float32) return run(TypeTag<float>{});
  RUSHLIGHT_INTERNAL_ASSERT(dtype == DType::Float64, "cross_entropy_backward of ", dtype_name(dtype));
  run(TypeTag<double>{});
}

}  // namespace rushlight::kernels

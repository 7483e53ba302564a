#include "rushlight/kernels/softmax/softmax.h"

#include <algorithm>
#include <vector>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/reduce/reduce_table.h"
#include "rushlight/kernels/softmax/softmax_table.h"

namespace rushlight::kernels {
namespace {

template <class T>
const SoftmaxTable<T>& softmax_table();
template <>
const SoftmaxTable<float>& softmax_table() {
  return *PerIsa<const SoftmaxTable<float>*>{&generic::kSoftmaxF32, RUSHLIGHT_AVX2(&avx2::kSoftmaxF32),
                                             RUSHLIGHT_AVX512(&avx512::kSoftmaxF32)}
              .at(active_isa());
}
template <>
const SoftmaxTable<double>& softmax_table() {
  return *PerIsa<const SoftmaxTable<double>*>{&generic::kSoftmaxF64, RUSHLIGHT_AVX2(&avx2::kSoftmaxF64),
                                              RUSHLIGHT_AVX512(&avx512::kSoftmaxF64)}
              .at(active_isa());
}

// Calls f(TypeTag<T>{}, TypeTag<C>{}): element type and the type it is computed in.
template <class F>
void dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::Float16: return f(TypeTag<Float16>{}, TypeTag<float>{});
    case DType::BFloat16: return f(TypeTag<BFloat16>{}, TypeTag<float>{});
    case DType::Float32: return f(TypeTag<float>{}, TypeTag<float>{});
    case DType::Float64: return f(TypeTag<double>{}, TypeTag<double>{});
    default: RUSHLIGHT_INTERNAL_ASSERT(false, "softmax of ", dtype_name(dtype));
  }
}

constexpr int64_t kPanel = 16;  // neighbouring columns that are copied together: a cache line of float

// Copies n rows of `width` columns to `width` rows of n, converting; and back.
template <class T, class C>
void gather_lines(const T* src, int64_t n, int64_t pitch, int64_t width, C* lines) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t c = 0; c < width; ++c) lines[c * n + i] = static_cast<C>(src[i * pitch + c]);
}
template <class T, class C>
void scatter_lines(const C* lines, int64_t n, int64_t pitch, int64_t width, T* dst) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t c = 0; c < width; ++c) dst[i * pitch + c] = static_cast<T>(lines[c * n + i]);
}

// Calls row(const C* a, const C* b, C* out) for every line; b is null if `second` is. Lines that are not
// contiguous rows of C go through buffers, a panel of neighbours at a time.
template <class T, class C, class Row>
void for_each_line(const SoftmaxParams& params, const T* first, const T* second, T* dst, Row&& row) {
  const int64_t n = params.n;
  const int64_t inner = params.inner;
  const int64_t panels = (inner + kPanel - 1) / kPanel;
  if (n == 0 || inner == 0) return;
  HeavyWork scope(params.outer * n * inner * 4);
  const int64_t grain = std::max<int64_t>(1, 8192 / (n * std::min(inner, kPanel)));
  parallel_for(params.outer * panels, grain, [&](int64_t begin, int64_t end) {
    std::vector<C> buffer;
    for (int64_t job = begin; job < end; ++job) {
      const int64_t column = job % panels * kPanel;
      const int64_t at = job / panels * n * inner + column;
      if constexpr (std::is_same_v<T, C>) {
        if (inner == 1) {
          row(first + at, second != nullptr ? second + at : nullptr, dst + at);
          continue;
        }
      }
      const int64_t width = std::min(kPanel, inner - column);
      buffer.resize(static_cast<size_t>(2 * n * width));
      C* lines = buffer.data();
      C* other = second != nullptr ? lines + n * width : nullptr;
      gather_lines(first + at, n, inner, width, lines);
      if (second != nullptr) gather_lines(second + at, n, inner, width, other);
      for (int64_t c = 0; c < width; ++c)
        row(lines + c * n, other != nullptr ? other + c * n : nullptr, lines + c * n);
      scatter_lines(lines, n, inner, width, dst + at);
    }
  });
}

}  // namespace

void softmax(const SoftmaxParams& params, const void* src, void* dst) {
  dispatch(params.dtype, [&](auto tag, auto compute) {
    using T = typename decltype(tag)::type;
    using C = typename decltype(compute)::type;
    const auto max = reduce_table<C>().max;
    const auto row = params.log ? softmax_table<C>().log_softmax : softmax_table<C>().softmax;
    for_each_line<T, C>(
        params, static_cast<const T*>(src), nullptr, static_cast<T*>(dst),
        [&](const C* from, const C*, C* to) { row(from, to, params.n, max(from, params.n)); });
  });
}

void softmax_backward(const SoftmaxParams& params, const void* grad_dst, const void* dst, void* grad_src) {
  dispatch(params.dtype, [&](auto tag, auto compute) {
    using T = typename decltype(tag)::type;
    using C = typename decltype(compute)::type;
    const auto& table = softmax_table<C>();
    const auto row = params.log ? table.log_softmax_backward : table.softmax_backward;
    for_each_line<T, C>(params, static_cast<const T*>(grad_dst), static_cast<const T*>(dst),
                        static_cast<T*>(grad_src),
                        [&](const C* grad, const C* y, C* to) { row(grad, y, to, params.n); });
  });
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

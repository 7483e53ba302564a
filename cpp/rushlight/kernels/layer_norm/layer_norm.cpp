#include "rushlight/kernels/layer_norm/layer_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/layer_norm/layer_norm_table.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kGrain = 16384;   // elements of a piece of work
constexpr int64_t kSumPieces = 64;  // at most: each keeps sums of its own for weight and bias
constexpr int64_t kShortSum = 16;   // rows summed in the type of the data before they go into doubles

template <class T>
const LayerNormTable<T>& table();
template <>
const LayerNormTable<float>& table() {
  return *RUSHLIGHT_PER_ISA(kLayerNormF32).at(active_isa());
}
template <>
const LayerNormTable<double>& table() {
  return *RUSHLIGHT_PER_ISA(kLayerNormF64).at(active_isa());
}

template <class F>
void dispatch(DType dtype, F&& f) {
  if (dtype == DType::Float32) return f(TypeTag<float>{});
  RUSHLIGHT_INTERNAL_ASSERT(dtype == DType::Float64, "layer_norm of ", dtype_name(dtype));
  f(TypeTag<double>{});
}

// All gradients of a row while it is in the cache. Pieces of rows have sums of their own, added up in order:
// the same bits for any number of threads.
template <class T>
void backward_rows(const LayerNormShape& shape, const T* src, const T* grad, const T* weight,
                   const double* mean, const double* inverse, T* grad_src, double* grad_weight,
                   double* grad_bias) {
  const int64_t n = shape.n;
  const bool with_sums = grad_weight != nullptr || grad_bias != nullptr;
  const int64_t piece = std::max<int64_t>({1, kGrain / n, (shape.rows + kSumPieces - 1) / kSumPieces});
  const int64_t pieces = (shape.rows + piece - 1) / piece;
  std::vector<double> partial(with_sums ? static_cast<size_t>(2 * pieces * n) : 0, 0.0);
  const auto& loops = table<T>();
  parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    std::vector<T> short_sums(with_sums ? static_cast<size_t>(2 * n) : 0);
    for (int64_t p = begin; p < end; ++p) {
      double* const total = partial.data() + (with_sums ? 2 * p * n : 0);
      const int64_t last = std::min(shape.rows, (p + 1) * piece);
      for (int64_t row = p * piece; row < last;) {
        std::fill(short_sums.begin(), short_sums.end(), T(0));
        for (const int64_t stop = std::min(last, row + kShortSum); row < stop; ++row) {
          const T center = static_cast<T>(mean[row]), factor = static_cast<T>(inverse[row]);
          const T* const x = src + row * n;
          const T* const g = grad + row * n;
          if (with_sums) loops.sums(x, g, n, center, factor, short_sums.data(), short_sums.data() + n);
          if (grad_src != nullptr) loops.backward(x, g, n, center, factor, weight, grad_src + row * n);
        }
        for (size_t i = 0; i < short_sums.size(); ++i) total[i] += static_cast<double>(short_sums[i]);
      }
    }
  });
  for (int64_t p = 0; p < pieces && with_sums; ++p)
    for (int64_t i = 0; i < n; ++i) {
      if (grad_weight != nullptr) grad_weight[i] += partial[static_cast<size_t>(2 * p * n + i)];
      if (grad_bias != nullptr) grad_bias[i] += partial[static_cast<size_t>((2 * p + 1) * n + i)];
    }
}

}  // namespace

void layer_norm(const LayerNormShape& shape, const void* src, const void* weight, const void* bias,
                double eps, void* dst, double* mean, double* inverse) {
  const int64_t n = shape.n;
  if (shape.rows * n == 0) return;
  HeavyWork scope(shape.rows * n);
  const FlushDenormals flush;
  dispatch(shape.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto& loops = table<T>();
    const T* from = static_cast<const T*>(src);
    T* to = static_cast<T*>(dst);
    parallel_for(shape.rows, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        double squares;
        loops.moments(from + row * n, n, mean + row, &squares);
        inverse[row] = 1.0 / std::sqrt(squares / static_cast<double>(n) + eps);
        loops.apply(from + row * n, n, static_cast<T>(mean[row]), static_cast<T>(inverse[row]),
                    static_cast<const T*>(weight), static_cast<const T*>(bias), to + row * n);
      }
    });
  });
}

void layer_norm_backward(const LayerNormShape& shape, const void* src, const void* grad, const void* weight,
                         const double* mean, const double* inverse, void* grad_src, double* grad_weight,
                         double* grad_bias) {
  const int64_t n = shape.n;
  if (grad_weight != nullptr) std::fill_n(grad_weight, n, 0.0);
  if (grad_bias != nullptr) std::fill_n(grad_bias, n, 0.0);
  if (shape.rows * n == 0) return;
  HeavyWork scope(shape.rows * n);
  const FlushDenormals flush;
  dispatch(shape.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    backward_rows(shape, static_cast<const T*>(src), static_cast<const T*>(grad),
                  static_cast<const T*>(weight), mean, inverse, static_cast<T*>(grad_src), grad_weight,
                  grad_bias);
  });
}

}  // namespace rushlight::kernels

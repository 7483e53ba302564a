#include "rushlight/kernels/batch_norm/batch_norm.h"

#include <algorithm>
#include <vector>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/batch_norm/batch_norm_table.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kGrain = 32768;  // elements of a piece of work

template <class T>
const BatchNormTable<T>& table();
template <>
const BatchNormTable<float>& table() {
  return *PerIsa<const BatchNormTable<float>*>{&generic::kBatchNormF32, RUSHLIGHT_AVX2(&avx2::kBatchNormF32),
                                               RUSHLIGHT_AVX512(&avx512::kBatchNormF32)}
              .at(active_isa());
}
template <>
const BatchNormTable<double>& table() {
  return *PerIsa<const BatchNormTable<double>*>{&generic::kBatchNormF64, RUSHLIGHT_AVX2(&avx2::kBatchNormF64),
                                                RUSHLIGHT_AVX512(&avx512::kBatchNormF64)}
              .at(active_isa());
}

template <class F>
void dispatch(DType dtype, F&& f) {
  if (dtype == DType::Float32) return f(TypeTag<float>{});
  RUSHLIGHT_INTERNAL_ASSERT(dtype == DType::Float64, "batch_norm of ", dtype_name(dtype));
  f(TypeTag<double>{});
}

// Cuts the data: rows(first element, count of rows) for channels-last, plane(first element, channel)
// otherwise.
template <class Rows, class Plane>
void for_each_piece(const BatchNormShape& shape, Rows&& rows, Plane&& plane) {
  const int64_t count = shape.batch * shape.channels * shape.spatial;
  if (count == 0) return;
  HeavyWork scope(count);
  const FlushDenormals flush;
  if (shape.channels_last) {
    parallel_for(shape.batch * shape.spatial, std::max<int64_t>(1, kGrain / shape.channels),
                 [&](int64_t begin, int64_t end) { rows(begin * shape.channels, end - begin); });
    return;
  }
  parallel_for(shape.batch * shape.channels, std::max<int64_t>(1, kGrain / shape.spatial),
               [&](int64_t begin, int64_t end) {
                 for (int64_t p = begin; p < end; ++p) plane(p * shape.spatial, p % shape.channels);
               });
}

// Sums of pieces, then of the pieces in order: the same bits for any number of threads.
template <class T>
void sum_channels_last(const BatchNormShape& shape, const BatchNormCoefficients<T>& k, const T* src,
                       const T* grad, double* sum_grad, double* sum_product) {
  const int64_t rows = shape.batch * shape.spatial;
  const int64_t channels = shape.channels;
  const int64_t piece = std::max<int64_t>(16, kGrain / channels);
  const int64_t pieces = (rows + piece - 1) / piece;
  std::vector<double> partial(static_cast<size_t>(2 * pieces * channels), 0.0);
  const auto sum_rows = table<T>().sum_rows;
  parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t first = p * piece;
      double* sums = partial.data() + 2 * p * channels;
      sum_rows(k, src + first * channels, grad + first * channels, std::min(piece, rows - first), channels,
               sums, sums + channels);
    }
  });
  for (int64_t p = 0; p < pieces; ++p)
    for (int64_t c = 0; c < channels; ++c) {
      sum_grad[c] += partial[static_cast<size_t>(2 * p * channels + c)];
      sum_product[c] += partial[static_cast<size_t>((2 * p + 1) * channels + c)];
    }
}

template <class T>
void sum_planes(const BatchNormShape& shape, const BatchNormCoefficients<T>& k, const T* src, const T* grad,
                double* sum_grad, double* sum_product) {
  const auto sum_plane = table<T>().sum_plane;
  const int64_t size = std::max<int64_t>(1, shape.batch * shape.spatial);
  parallel_for(shape.channels, std::max<int64_t>(1, kGrain / size), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c)
      for (int64_t n = 0; n < shape.batch; ++n) {
        const int64_t at = (n * shape.channels + c) * shape.spatial;
        sum_plane(k, c, src + at, grad + at, shape.spatial, sum_grad + c, sum_product + c);
      }
  });
}

}  // namespace

void batch_norm_apply(const BatchNormShape& shape, const void* src, const void* center, const void* scale,
                      const void* shift, const void* residual, bool relu, void* dst) {
  dispatch(shape.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto& loops = table<T>();
    const BatchNormCoefficients<T> k{static_cast<const T*>(center),
                                     static_cast<const T*>(scale),
                                     static_cast<const T*>(shift),
                                     nullptr,
                                     nullptr,
                                     nullptr};
    const T* from = static_cast<const T*>(src);
    const T* added = static_cast<const T*>(residual);
    T* to = static_cast<T*>(dst);
    const auto added_at = [=](int64_t at) { return added != nullptr ? added + at : nullptr; };
    for_each_piece(
        shape,
        [&](int64_t at, int64_t rows) {
          loops.apply_rows(k, from + at, added_at(at), relu, to + at, rows, shape.channels);
        },
        [&](int64_t at, int64_t c) {
          loops.apply_plane(k, c, from + at, added_at(at), relu, to + at, shape.spatial);
        });
  });
}

void batch_norm_sums(const BatchNormShape& shape, const void* src, const void* grad, const void* center,
                     const BatchNormGate& gate, double* sum_grad, double* sum_product) {
  std::fill_n(sum_grad, shape.channels, 0.0);
  std::fill_n(sum_product, shape.channels, 0.0);
  if (shape.batch * shape.channels * shape.spatial == 0) return;
  HeavyWork scope(shape.batch * shape.channels * shape.spatial);
  const FlushDenormals flush;
  dispatch(shape.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const BatchNormCoefficients<T> k{
        static_cast<const T*>(center),    nullptr, nullptr, nullptr, static_cast<const T*>(gate.scale),
        static_cast<const T*>(gate.shift)};
    const auto run = shape.channels_last ? sum_channels_last<T> : sum_planes<T>;
    run(shape, k, static_cast<const T*>(src), static_cast<const T*>(grad), sum_grad, sum_product);
  });
}

void batch_norm_apply_backward(const BatchNormShape& shape, const void* src, const void* grad,
                               const void* center, const void* grad_scale, const void* src_scale,
                               const void* shift, const BatchNormGate& gate, void* grad_src) {
  dispatch(shape.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto& loops = table<T>();
    const BatchNormCoefficients<T> k{static_cast<const T*>(center),     static_cast<const T*>(grad_scale),
                                     static_cast<const T*>(shift),      static_cast<const T*>(src_scale),
                                     static_cast<const T*>(gate.scale), static_cast<const T*>(gate.shift)};
    const T* x = static_cast<const T*>(src);
    const T* g = static_cast<const T*>(grad);
    T* to = static_cast<T*>(grad_src);
    for_each_piece(
        shape,
        [&](int64_t at, int64_t rows) {
          loops.backward_rows(k, x + at, g + at, to + at, rows, shape.channels);
        },
        [&](int64_t at, int64_t c) { loops.backward_plane(k, c, x + at, g + at, to + at, shape.spatial); });
  });
}

}  // namespace rushlight::kernels

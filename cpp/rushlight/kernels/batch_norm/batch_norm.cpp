#include "rushlight/kernels/batch_norm/batch_norm.h"

#include <algorithm>
#include <vector>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/kernels/batch_norm/batch_norm_table.h"
#include "rushlight/kernels/pool2d/pool2d.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kGrain = 32768;          // elements of a piece of work
constexpr int64_t kStreamBytes = 8 << 20;  // a result as large leaves the caches before it is read again
constexpr int64_t kPooledGrad = 4096;      // elements of a gradient that are made at once
constexpr int64_t kChannelBlock = 2048;    // more channels than this need memory of the heap

template <class T>
const BatchNormTable<T>& table();
template <>
const BatchNormTable<float>& table() {
  return *RUSHLIGHT_PER_ISA(kBatchNormF32).at(active_isa());
}
template <>
const BatchNormTable<double>& table() {
  return *RUSHLIGHT_PER_ISA(kBatchNormF64).at(active_isa());
}
template <>
const BatchNormTable<uint16_t>& table() {
  return *RUSHLIGHT_PER_ISA(kBatchNormBf16).at(active_isa());
}

template <class T>
bool leaves_caches(const BatchNormShape& shape) {
  return shape.batch * shape.channels * shape.spatial * static_cast<int64_t>(sizeof(T)) >= kStreamBytes;
}

template <class F>
void dispatch(DType dtype, F&& f) {
  if (dtype == DType::Float32) return f(TypeTag<float>{});
  if (dtype == DType::BFloat16) return f(TypeTag<uint16_t>{});
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

// Rows of channels cut into pieces, each with `kSums` sums a channel. The pieces are combined in order: the
// same bits for any number of threads.
template <int kSums>
struct Pieces {
  explicit Pieces(const BatchNormShape& shape)
      : rows(shape.batch * shape.spatial),
        channels(shape.channels),
        size(std::max<int64_t>(16, kGrain / channels)),
        count((rows + size - 1) / size),
        sums(static_cast<size_t>(kSums * count * channels), 0.0) {}

  // Calls body(piece, first row, count of rows) for each.
  template <class Body>
  void run(Body&& body) {
    parallel_for(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) body(p, p * size, rows_of(p));
    });
  }
  int64_t rows_of(int64_t piece) const { return std::min(size, rows - piece * size); }
  double* of(int64_t piece, int sum) { return sums.data() + (piece * kSums + sum) * channels; }

  int64_t rows, channels, size, count;
  std::vector<double> sums;
};

template <class T>
BatchNormTerms<T> terms_from(const BatchNormTerms<T>& terms, int64_t at) {
  const bool masked = terms.result != nullptr;
  return {terms.src + at, terms.grad + at, masked ? terms.result + at : nullptr,
          masked ? terms.passed + at : nullptr};
}

template <class T>
void sum_channels_last(const BatchNormShape& shape, const BatchNormCoefficients<Wide<T>>& k,
                       const BatchNormTerms<T>& terms, double* sum_grad, double* sum_product) {
  Pieces<2> pieces(shape);
  const int64_t channels = shape.channels;
  const auto sum_rows = table<T>().sum_rows;
  pieces.run([&](int64_t p, int64_t first, int64_t rows) {
    sum_rows(k, terms_from(terms, first * channels), rows, channels, pieces.of(p, 0), pieces.of(p, 1));
  });
  for (int64_t p = 0; p < pieces.count; ++p)
    for (int64_t c = 0; c < channels; ++c) {
      sum_grad[c] += pieces.of(p, 0)[c];
      sum_product[c] += pieces.of(p, 1)[c];
    }
}

template <class T>
void sum_planes(const BatchNormShape& shape, const BatchNormCoefficients<Wide<T>>& k,
                const BatchNormTerms<T>& terms, double* sum_grad, double* sum_product) {
  const auto sum_plane = table<T>().sum_plane;
  const int64_t size = std::max<int64_t>(1, shape.batch * shape.spatial);
  parallel_for(shape.channels, std::max<int64_t>(1, kGrain / size), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c)
      for (int64_t n = 0; n < shape.batch; ++n) {
        const int64_t at = (n * shape.channels + c) * shape.spatial;
        sum_plane(k, c, terms_from(terms, at), shape.spatial, sum_grad + c, sum_product + c);
      }
  });
}

// Of each piece, the sums become mean and squared deviations from it; these are then merged as Chan does.
template <class T>
void moments_channels_last(const BatchNormShape& shape, const T* src, double* mean, double* var) {
  Pieces<2> pieces(shape);
  const int64_t channels = shape.channels;
  const auto moment_rows = table<T>().moment_rows;
  pieces.run([&](int64_t p, int64_t first, int64_t rows) {
    Wide<T> center[kChannelBlock];
    std::vector<Wide<T>> long_center(channels > kChannelBlock ? static_cast<size_t>(channels) : 0);
    Wide<T>* const centers = long_center.empty() ? center : long_center.data();
    double *const means = pieces.of(p, 0), *const squares = pieces.of(p, 1);
    moment_rows(src + first * channels, rows, channels, centers, means, squares);
    const auto n = static_cast<double>(rows);
    for (int64_t c = 0; c < channels; ++c) {
      squares[c] -= means[c] * (means[c] / n);
      means[c] = static_cast<double>(centers[c]) + means[c] / n;
    }
  });
  const auto total = static_cast<double>(pieces.rows);
  std::fill_n(mean, channels, 0.0);
  std::fill_n(var, channels, 0.0);
  for (int64_t p = 0; p < pieces.count; ++p) {
    const double share = static_cast<double>(pieces.rows_of(p)) / total;
    for (int64_t c = 0; c < channels; ++c) mean[c] += pieces.of(p, 0)[c] * share;
  }
  for (int64_t p = 0; p < pieces.count; ++p) {
    const auto n = static_cast<double>(pieces.rows_of(p));
    for (int64_t c = 0; c < channels; ++c) {
      const double delta = pieces.of(p, 0)[c] - mean[c];
      var[c] += std::max(0.0, pieces.of(p, 1)[c]) + n * delta * delta;
    }
  }
  for (int64_t c = 0; c < channels; ++c) var[c] /= total;
}

}  // namespace

void batch_norm_apply(const BatchNormShape& shape, const void* src, const void* center, const void* scale,
                      const void* shift, const void* residual, bool relu, void* dst) {
  dispatch(shape.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using W = Wide<T>;
    const auto& loops = table<T>();
    const BatchNormCoefficients<Wide<T>> k{static_cast<const W*>(center),
                                           static_cast<const W*>(scale),
                                           static_cast<const W*>(shift),
                                           nullptr,
                                           nullptr,
                                           nullptr};
    const T* from = static_cast<const T*>(src);
    const T* added = static_cast<const T*>(residual);
    T* to = static_cast<T*>(dst);
    const bool stream = leaves_caches<T>(shape);
    const auto added_at = [=](int64_t at) { return added != nullptr ? added + at : nullptr; };
    for_each_piece(
        shape,
        [&](int64_t at, int64_t rows) {
          loops.apply_rows(k, from + at, added_at(at), relu, to + at, rows, shape.channels, stream);
        },
        [&](int64_t at, int64_t c) {
          loops.apply_plane(k, c, from + at, added_at(at), relu, to + at, shape.spatial);
        });
  });
}

void batch_norm_moments(const BatchNormShape& shape, const void* src, double* mean, double* var) {
  RUSHLIGHT_INTERNAL_ASSERT(shape.channels_last, "moments of planes");
  HeavyWork scope(shape.batch * shape.channels * shape.spatial);
  const FlushDenormals flush;
  dispatch(shape.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    moments_channels_last(shape, static_cast<const T*>(src), mean, var);
  });
}

void batch_norm_sums(const BatchNormShape& shape, const void* src, const void* grad, const void* center,
                     const BatchNormGate& gate, const BatchNormMask& mask, double* sum_grad,
                     double* sum_product) {
  std::fill_n(sum_grad, shape.channels, 0.0);
  std::fill_n(sum_product, shape.channels, 0.0);
  if (shape.batch * shape.channels * shape.spatial == 0) return;
  HeavyWork scope(shape.batch * shape.channels * shape.spatial);
  const FlushDenormals flush;
  dispatch(shape.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using W = Wide<T>;
    const BatchNormCoefficients<Wide<T>> k{
        static_cast<const W*>(center),    nullptr, nullptr, nullptr, static_cast<const W*>(gate.scale),
        static_cast<const W*>(gate.shift)};
    const BatchNormTerms<T> terms{static_cast<const T*>(src), static_cast<const T*>(grad),
                                  static_cast<const T*>(mask.result), static_cast<T*>(mask.passed)};
    const auto run = shape.channels_last ? sum_channels_last<T> : sum_planes<T>;
    run(shape, k, terms, sum_grad, sum_product);
  });
}

void batch_norm_apply_backward(const BatchNormShape& shape, const void* src, const BatchNormGrad& grad,
                               const void* center, const void* grad_scale, const void* src_scale,
                               const void* shift, const BatchNormGate& gate, void* grad_src) {
  dispatch(shape.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using W = Wide<T>;
    const auto& loops = table<T>();
    const BatchNormCoefficients<Wide<T>> k{
        static_cast<const W*>(center),     static_cast<const W*>(grad_scale),
        static_cast<const W*>(shift),      static_cast<const W*>(src_scale),
        static_cast<const W*>(gate.scale), static_cast<const W*>(gate.shift)};
    const T* x = static_cast<const T*>(src);
    const T* g = static_cast<const T*>(grad.values);
    T* to = static_cast<T*>(grad_src);
    const bool stream = to != g && leaves_caches<T>(shape);
    for_each_piece(
        shape,
        [&](int64_t at, int64_t rows) {
          if (grad.pooled == nullptr)
            return loops.backward_rows(k, x + at, g + at, to + at, rows, shape.channels, stream);
          const int64_t few = std::max<int64_t>(1, kPooledGrad / shape.channels);
          Scratch<T> here(few * shape.channels);
          for (int64_t end = at + rows * shape.channels; at < end; at += few * shape.channels) {
            const int64_t n = std::min(few, (end - at) / shape.channels);
            grad.pooled->pixels(at / shape.channels, n, here.data());
            loops.backward_rows(k, x + at, here.data(), to + at, n, shape.channels, stream);
          }
        },
        [&](int64_t at, int64_t c) { loops.backward_plane(k, c, x + at, g + at, to + at, shape.spatial); });
  });
}

}  // namespace rushlight::kernels

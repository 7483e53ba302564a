// Reductions of floats through powers: variances and norms.
#include <cmath>
#include <limits>

#include "rushlight/base/check.h"
#include "rushlight/kernels/reduce/reduce_ops.h"

namespace rushlight::kernels {
namespace {

// Count, mean and sum of squared deviations from it. Blocks are taken in two passes while they are in cache
// and merged by Chan's formula, so the result does not suffer from means far from zero.
struct Moments {
  double count = 0.0;
  double mean = 0.0;
  double squares = 0.0;

  void merge(double n, double other_mean, double other_squares) {
    if (n == 0.0) return;
    const double total = count + n;
    const double delta = other_mean - mean;
    mean += delta * (n / total);
    // The deviation of an infinity from the infinite mean is NaN: mean - mean is that, and else 0.
    squares += other_squares + delta * delta * (count * (n / total)) + (mean - mean);
    count = total;
  }
};

template <class T, class Store>
struct MomentSum : PlainReduction<MomentSum<T, Store>, T, Moments> {
  using C = ComputeType<T>;
  using Acc = Moments;
  using Plain = PlainReduction<MomentSum<T, Store>, T, Moments>;
  Store keep;
  const ReduceTable<C>& table = reduce_table<C>();

  explicit MomentSum(Store f) : keep(f) {}
  Acc init() const { return {}; }
  void step(Acc& acc, T x, int64_t) const { acc.merge(1.0, static_cast<double>(static_cast<C>(x)), 0.0); }
  void line(Acc& acc, const T* p, int64_t n, int64_t stride, int64_t position) const {
    if (n < kShortLine) return Plain::line(acc, p, n, stride, position);
    constexpr int64_t kBlock = 4096;
    for_each_row(p, n, stride, [&](const C* row, int64_t size) {
      for (int64_t begin = 0; begin < size; begin += kBlock) {
        const int64_t length = std::min(kBlock, size - begin);
        const double m = static_cast<double>(length);
        const double mean = table.sum(row + begin, length) / m;
        const C center = static_cast<C>(mean);
        const double shift = mean - static_cast<double>(center);
        acc.merge(m, mean, std::max(0.0, table.square_sum(row + begin, length, center) - m * shift * shift));
      }
    });
  }
  void columns(Acc* acc, const T* p, int64_t rows, int64_t pitch, int64_t columns, int64_t) const {
    C center[kReducePanel];
    double means[kReducePanel];
    double squares[kReducePanel];
    for_each_row_block(p, rows, pitch, columns, [&](const C* first, int64_t count, int64_t step) {
      table.sum_columns(first, count, step, columns, means);
      for (int64_t c = 0; c < columns; ++c) {
        means[c] /= static_cast<double>(count);
        center[c] = static_cast<C>(means[c]);
      }
      table.square_columns(first, count, step, columns, center, squares);
      for (int64_t c = 0; c < columns; ++c) acc[c].merge(static_cast<double>(count), means[c], squares[c]);
    });
  }
  void merge(Acc& acc, const Acc& later) const { acc.merge(later.count, later.mean, later.squares); }
  void store(int64_t o, const Acc& acc, int64_t) const { keep(o, acc); }
};

template <class T, class Store>
void run_moments(const ReduceLayout& layout, const T* src, Store keep) {
  run_reduction(MomentSum<T, Store>(keep), layout, src, false);
}

enum class Power { Zero, One, Two, Any };

template <class T, Power kPower>
struct PowerSum : PlainReduction<PowerSum<T, kPower>, T, LongSum> {
  using C = ComputeType<T>;
  using Acc = LongSum;
  T* dst;
  double p;
  const ReduceTable<C>& table = reduce_table<C>();

  PowerSum(T* to, double exponent) : dst(to), p(exponent) {}
  Acc init() const { return {}; }
  void step(Acc& acc, T x, int64_t) const {
    const double value = std::abs(static_cast<double>(static_cast<C>(x)));
    if constexpr (kPower == Power::Zero) acc.add(value != 0.0 ? 1.0 : 0.0);
    if constexpr (kPower == Power::One) acc.add(value);
    if constexpr (kPower == Power::Two) acc.add(value * value);
    if constexpr (kPower == Power::Any) acc.add(std::pow(value, p));
  }
  void line(Acc& acc, const T* src, int64_t n, int64_t stride, int64_t position) const {
    if constexpr (kPower == Power::One || kPower == Power::Two) {
      if (n >= kShortLine) {
        return for_each_row(src, n, stride, [&](const C* row, int64_t size) {
          acc.add(kPower == Power::One ? table.abs_sum(row, size) : table.square_sum(row, size, C(0)));
        });
      }
    }
    PlainReduction<PowerSum, T, LongSum>::line(acc, src, n, stride, position);
  }
  void columns(Acc* acc, const T* src, int64_t rows, int64_t pitch, int64_t columns, int64_t position) const {
    if constexpr (kPower == Power::Two) {
      const C zeros[kReducePanel] = {};
      double sums[kReducePanel];
      for_each_row_block(src, rows, pitch, columns, [&](const C* first, int64_t count, int64_t step) {
        table.square_columns(first, count, step, columns, zeros, sums);
        for (int64_t c = 0; c < columns; ++c) acc[c].add(sums[c]);
      });
    } else {
      PlainReduction<PowerSum, T, LongSum>::columns(acc, src, rows, pitch, columns, position);
    }
  }
  void merge(Acc& acc, const Acc& later) const { acc.add(later); }
  void store(int64_t o, const Acc& acc, int64_t) const {
    double value = acc.value();
    if constexpr (kPower == Power::Two) value = std::sqrt(value);
    if constexpr (kPower == Power::Any) value = std::pow(value, 1.0 / p);
    dst[o] = static_cast<T>(static_cast<C>(value));
  }
};

template <class T, bool kMax>
struct Magnitude : PlainReduction<Magnitude<T, kMax>, T, ComputeType<T>> {
  using C = ComputeType<T>;
  using Acc = C;
  T* dst;

  explicit Magnitude(T* to) : dst(to) {}
  Acc init() const { return kMax ? C(0) : std::numeric_limits<C>::infinity(); }
  void step(Acc& acc, T x, int64_t) const { merge(acc, std::abs(static_cast<C>(x))); }
  void merge(Acc& acc, const Acc& x) const {
    if ((kMax ? x > acc : x < acc) || x != x) acc = x;
  }
  void store(int64_t o, const Acc& acc, int64_t) const { dst[o] = static_cast<T>(acc); }
};

}  // namespace

void reduce_var(double correction, bool take_root, DType dtype, const ReduceLayout& layout, const void* src,
                void* var, void* mean) {
  dispatch_floating(dtype, "moments", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = ComputeType<T>;
    run_moments(layout, static_cast<const T*>(src), [=](int64_t o, const Moments& moments) {
      const double value = moments.squares / std::max(0.0, moments.count - correction);
      static_cast<T*>(var)[o] = static_cast<T>(static_cast<C>(take_root ? std::sqrt(value) : value));
      const double nan = std::numeric_limits<double>::quiet_NaN();
      if (mean != nullptr)
        static_cast<T*>(mean)[o] = static_cast<T>(static_cast<C>(moments.count > 0.0 ? moments.mean : nan));
    });
  });
}

void reduce_moments(DType dtype, const ReduceLayout& layout, const void* src, double* mean, double* var) {
  dispatch_floating(dtype, "moments", [&](auto tag) {
    using T = typename decltype(tag)::type;
    run_moments(layout, static_cast<const T*>(src), [=](int64_t o, const Moments& moments) {
      mean[o] = moments.mean;
      var[o] = moments.squares / moments.count;
    });
  });
}

void reduce_norm(double p, DType dtype, const ReduceLayout& layout, const void* src, void* dst) {
  dispatch_floating(dtype, "moments", [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = static_cast<T*>(dst);
    const auto run = [&](const auto& op) { run_reduction(op, layout, static_cast<const T*>(src), false); };
    if (p == 0.0) return run(PowerSum<T, Power::Zero>(to, p));
    if (p == 1.0) return run(PowerSum<T, Power::One>(to, p));
    if (p == 2.0) return run(PowerSum<T, Power::Two>(to, p));
    if (p == std::numeric_limits<double>::infinity()) return run(Magnitude<T, true>(to));
    if (p == -std::numeric_limits<double>::infinity()) return run(Magnitude<T, false>(to));
    run(PowerSum<T, Power::Any>(to, p));
  });
}

}  // namespace rushlight::kernels

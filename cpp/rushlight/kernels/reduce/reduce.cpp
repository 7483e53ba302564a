#include "rushlight/kernels/reduce/reduce.h"

#include <cmath>

#include "rushlight/base/check.h"
#include "rushlight/kernels/reduce/reduce_ops.h"

namespace rushlight::kernels {

template <>
const ReduceTable<float>& reduce_table() {
  return *RUSHLIGHT_PER_ISA(kReduceF32).at(active_isa());
}
template <>
const ReduceTable<double>& reduce_table() {
  return *RUSHLIGHT_PER_ISA(kReduceF64).at(active_isa());
}

namespace {

const HalfSums& half_sums(DType dtype) {
  const bool brain = dtype == DType::BFloat16;
  return *PerIsa<const HalfSums*>{brain ? &generic::kBf16Sums : &generic::kF16Sums,
                                  RUSHLIGHT_AVX2(brain ? &avx2::kBf16Sums : &avx2::kF16Sums),
                                  RUSHLIGHT_AVX512(brain ? &avx512::kBf16Sums : &avx512::kF16Sums)}
              .at(active_isa());
}

template <class T>
struct FloatSum : PlainReduction<FloatSum<T>, T, LongSum> {
  using C = ComputeType<T>;
  using Acc = LongSum;
  T* dst;
  bool mean;
  const ReduceTable<C>& table = reduce_table<C>();
  const HalfSums* halves = sizeof(T) == 2 ? &half_sums(DTypeOf<T>::value) : nullptr;

  FloatSum(T* to, bool divide) : dst(to), mean(divide) {}
  Acc init() const { return {}; }
  void step(Acc& acc, T x, int64_t) const { acc.add(static_cast<double>(static_cast<C>(x))); }
  void line(Acc& acc, const T* p, int64_t n, int64_t stride, int64_t) const {
    if (n < kShortLine) {
      double total = 0.0;
      for (int64_t i = 0; i < n; ++i) total += static_cast<double>(static_cast<C>(p[i * stride]));
      return acc.add(total);
    }
    if constexpr (sizeof(T) == 2) {
      if (stride == 1) return acc.add(halves->sum(reinterpret_cast<const uint16_t*>(p), n));
    }
    for_each_row(p, n, stride, [&](const C* row, int64_t size) { acc.add(table.sum(row, size)); });
  }
  void columns(Acc* acc, const T* p, int64_t rows, int64_t pitch, int64_t columns, int64_t) const {
    double sums[kReducePanel];
    const auto add = [&] {
      for (int64_t c = 0; c < columns; ++c) acc[c].add(sums[c]);
    };
    if constexpr (sizeof(T) == 2) {
      for (int64_t r = 0; r < rows; r += kReduceRows) {
        halves->sum_columns(reinterpret_cast<const uint16_t*>(p + r * pitch), std::min(kReduceRows, rows - r),
                            pitch, columns, sums);
        add();
      }
    } else {
      for_each_row_block(p, rows, pitch, columns, [&](const C* first, int64_t count, int64_t step) {
        table.sum_columns(first, count, step, columns, sums);
        add();
      });
    }
  }
  void merge(Acc& acc, const Acc& later) const { acc.add(later); }
  void store(int64_t o, const Acc& acc, int64_t count) const {
    dst[o] = static_cast<T>(static_cast<C>(mean ? acc.value() / static_cast<double>(count) : acc.value()));
  }
};

// Sums of integers wrap around like PyTorch's.
template <class T>
struct IntSum : PlainReduction<IntSum<T>, T, uint64_t, true> {
  using Acc = uint64_t;
  int64_t* dst;

  explicit IntSum(int64_t* to) : dst(to) {}
  Acc init() const { return 0; }
  void step(Acc& acc, T x, int64_t) const { acc += static_cast<uint64_t>(static_cast<int64_t>(x)); }
  void merge(Acc& acc, const Acc& later) const { acc += later; }
  void store(int64_t o, const Acc& acc, int64_t) const { dst[o] = static_cast<int64_t>(acc); }
};

// Floats multiply in double, integers in wrapping 64-bit words.
template <class T, class Out>
struct Product
    : PlainReduction<Product<T, Out>, T, std::conditional_t<kIsFloating<T>, double, uint64_t>, true> {
  using Acc = std::conditional_t<kIsFloating<T>, double, uint64_t>;
  Out* dst;

  explicit Product(Out* to) : dst(to) {}
  Acc init() const { return 1; }
  void step(Acc& acc, T x, int64_t) const {
    if constexpr (kIsFloating<T>)
      acc *= static_cast<double>(static_cast<ComputeType<T>>(x));
    else
      acc *= static_cast<uint64_t>(static_cast<int64_t>(x));
  }
  void merge(Acc& acc, const Acc& later) const { acc *= later; }
  void store(int64_t o, const Acc& acc, int64_t) const {
    if constexpr (kIsFloating<T>)
      dst[o] = static_cast<Out>(static_cast<ComputeType<T>>(acc));
    else
      dst[o] = static_cast<Out>(acc);
  }
};

template <class T, bool kMax>
struct Extreme : PlainReduction<Extreme<T, kMax>, T, ComputeType<T>, true> {
  using Plain = PlainReduction<Extreme, T, ComputeType<T>, true>;
  using C = ComputeType<T>;
  using Acc = C;
  T* dst;

  explicit Extreme(T* to) : dst(to) {}
  Acc init() const {
    if constexpr (kIsFloating<T>) {
      return kMax ? -std::numeric_limits<C>::infinity() : std::numeric_limits<C>::infinity();
    } else {
      return kMax ? std::numeric_limits<C>::lowest() : std::numeric_limits<C>::max();
    }
  }
  void step(Acc& acc, T x, int64_t) const { merge(acc, static_cast<C>(x)); }
  void line(Acc& acc, const T* p, int64_t n, int64_t stride, int64_t position) const {
    if constexpr (kIsFloating<T>) {
      if (n >= kShortLine) {
        const auto& table = reduce_table<C>();
        return for_each_row(p, n, stride, [&](const C* row, int64_t size) {
          merge(acc, kMax ? table.max(row, size) : table.min(row, size));
        });
      }
    }
    Plain::line(acc, p, n, stride, position);
  }
  void columns(Acc* acc, const T* p, int64_t rows, int64_t pitch, int64_t columns, int64_t position) const {
    if constexpr (kIsFloating<T>) {
      const auto& table = reduce_table<C>();
      for_each_row_block(p, rows, pitch, columns, [&](const C* first, int64_t count, int64_t step) {
        (kMax ? table.max_columns : table.min_columns)(first, count, step, columns, acc);
      });
    } else {
      Plain::columns(acc, p, rows, pitch, columns, position);
    }
  }
  void merge(Acc& acc, const Acc& x) const {
    if ((kMax ? x > acc : x < acc) || x != x) acc = x;  // comparisons with a NaN acc are false: it stays
  }
  void store(int64_t o, const Acc& acc, int64_t) const { dst[o] = static_cast<T>(acc); }
};

template <class T, bool kAny>
struct Quantifier : PlainReduction<Quantifier<T, kAny>, T, bool, true> {
  using Acc = bool;
  bool* dst;

  explicit Quantifier(bool* to) : dst(to) {}
  Acc init() const { return !kAny; }
  void step(Acc& acc, T x, int64_t) const { merge(acc, x != T(0)); }
  void merge(Acc& acc, const Acc& later) const { acc = kAny ? acc | later : acc & later; }
  void store(int64_t o, const Acc& acc, int64_t) const { dst[o] = acc; }
};

template <class T>
void reduce_typed(ReduceOp op, const ReduceLayout& layout, const T* src, void* dst) {
  const auto run = [&](const auto& reduction) { run_reduction(reduction, layout, src, false); };
  switch (op) {
    case ReduceOp::Sum:
    case ReduceOp::Mean:
      if constexpr (kIsFloating<T>) return run(FloatSum<T>(static_cast<T*>(dst), op == ReduceOp::Mean));
      RUSHLIGHT_INTERNAL_ASSERT(op == ReduceOp::Sum, "mean of integers");
      if constexpr (!kIsFloating<T>) return run(IntSum<T>(static_cast<int64_t*>(dst)));
      return;
    case ReduceOp::Prod:
      if constexpr (kIsFloating<T>)
        return run(Product<T, T>(static_cast<T*>(dst)));
      else
        return run(Product<T, int64_t>(static_cast<int64_t*>(dst)));
    case ReduceOp::Max: return run(Extreme<T, true>(static_cast<T*>(dst)));
    case ReduceOp::Min: return run(Extreme<T, false>(static_cast<T*>(dst)));
    case ReduceOp::Any: return run(Quantifier<T, true>(static_cast<bool*>(dst)));
    case ReduceOp::All: return run(Quantifier<T, false>(static_cast<bool*>(dst)));
  }
}

}  // namespace

void reduce(ReduceOp op, DType dtype, const ReduceLayout& layout, const void* src, void* dst) {
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    reduce_typed<T>(op, layout, static_cast<const T*>(src), dst);
  });
}

}  // namespace rushlight::kernels

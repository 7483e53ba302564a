// Max and min with their positions.
#include "rushlight/kernels/reduce/reduce_ops.h"

namespace rushlight::kernels {
namespace {

template <class C>
struct Found {
  C value;
  int64_t index;  // -1: nothing yet
};

template <class T, bool kMax>
struct ArgExtreme : PlainReduction<ArgExtreme<T, kMax>, T, Found<ComputeType<T>>> {
  using C = ComputeType<T>;
  using Acc = Found<C>;
  T* values;
  int64_t* index;

  ArgExtreme(T* to, int64_t* at) : values(to), index(at) {}
  Acc init() const { return {C(0), -1}; }

  static bool better(C x, const Acc& acc) {
    if (acc.index < 0) return true;
    if (acc.value != acc.value) return false;
    return (kMax ? x > acc.value : x < acc.value) || x != x;
  }
  void step(Acc& acc, T x, int64_t position) const {
    if (better(static_cast<C>(x), acc)) acc = {static_cast<C>(x), position};
  }
  // Finds the value with the vectorised loop, then where it stands.
  void line(Acc& acc, const T* p, int64_t n, int64_t stride, int64_t position) const {
    if constexpr (kIsFloating<T>) {
      if (n >= kShortLine) {
        const auto& table = reduce_table<C>();
        return for_each_row(p, n, stride, [&](const C* row, int64_t size) {
          const C best = kMax ? table.max(row, size) : table.min(row, size);
          if (better(best, acc)) {
            acc = {best, position + table.find(row, size, best)};
          }
          position += size;
        });
      }
    }
    PlainReduction<ArgExtreme, T, Acc>::line(acc, p, n, stride, position);
  }
  void merge(Acc& acc, const Acc& later) const {
    if (better(later.value, acc)) acc = later;
  }
  void store(int64_t o, const Acc& acc, int64_t) const {
    if (values != nullptr) values[o] = static_cast<T>(acc.value);
    index[o] = acc.index;
  }
};

}  // namespace

void reduce_arg(bool want_max, DType dtype, const ReduceLayout& layout, const void* src, void* values,
                int64_t* index) {
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = static_cast<const T*>(src);
    if (want_max)
      run_reduction(ArgExtreme<T, true>(static_cast<T*>(values), index), layout, from, true);
    else
      run_reduction(ArgExtreme<T, false>(static_cast<T*>(values), index), layout, from, true);
  });
}

}  // namespace rushlight::kernels

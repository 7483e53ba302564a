#include "rushlight/kernels/sort/sort.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "rushlight/base/parallel.h"

namespace rushlight::kernels {
namespace {

template <class T>
struct Entry {
  T value;
  int64_t index;
};

template <class T>
bool is_nan(T x) {
  return x != x;
}

// Total orders: value with NaN as the largest, then position. They make every algorithm stable.
template <class T>
bool ascends(const Entry<T>& a, const Entry<T>& b) {
  if (a.value < b.value || (is_nan(b.value) && !is_nan(a.value))) return true;
  if (a.value == b.value || (is_nan(a.value) && is_nan(b.value))) return a.index < b.index;
  return false;
}
template <class T>
bool descends(const Entry<T>& a, const Entry<T>& b) {
  if (a.value > b.value || (is_nan(a.value) && !is_nan(b.value))) return true;
  if (a.value == b.value || (is_nan(a.value) && is_nan(b.value))) return a.index < b.index;
  return false;
}

// For every row: order(entries) arranges the row's entries, then those of [first, last) are stored.
template <class T, class Order>
void order_rows(int64_t rows, int64_t n, int64_t first, int64_t last, const T* src, T* values, int64_t* index,
                Order&& order) {
  HeavyWork scope(rows * n * 8);
  const int64_t kept = last - first;
  parallel_for(rows, std::max<int64_t>(1, 4096 / std::max<int64_t>(1, n)), [&](int64_t begin, int64_t end) {
    std::vector<Entry<T>> entries(static_cast<size_t>(n));
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t i = 0; i < n; ++i) entries[static_cast<size_t>(i)] = {src[row * n + i], i};
      order(entries);
      for (int64_t i = 0; i < kept; ++i) {
        const Entry<T>& entry = entries[static_cast<size_t>(first + i)];
        values[row * kept + i] = entry.value;
        index[row * kept + i] = entry.index;
      }
    }
  });
}

template <class T>
void cumulate_typed(bool product, int64_t outer, int64_t n, int64_t inner, const T* src, T* dst) {
  constexpr bool kFloating = !std::is_integral_v<T>;
  using Acc = std::conditional_t<kFloating, double, uint64_t>;
  if (n == 0 || inner == 0) return;
  HeavyWork scope(outer * n * inner);
  parallel_for(outer, std::max<int64_t>(1, 16384 / (n * inner)), [&](int64_t begin, int64_t end) {
    std::vector<Acc> acc(static_cast<size_t>(inner));
    for (int64_t o = begin; o < end; ++o) {
      std::fill(acc.begin(), acc.end(), product ? Acc(1) : Acc(0));
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t c = 0; c < inner; ++c) {
          const int64_t at = (o * n + i) * inner + c;
          Acc& running = acc[static_cast<size_t>(c)];
          const auto x = static_cast<Acc>(src[at]);
          running = product ? running * x : running + x;
          if constexpr (sizeof(T) == 2 && kFloating)
            dst[at] = T(static_cast<float>(running));
          else
            dst[at] = static_cast<T>(running);
        }
      }
    }
  });
}

}  // namespace

void sort_rows(DType dtype, int64_t rows, int64_t n, bool descending, const void* src, void* values,
               int64_t* index) {
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    order_rows(rows, n, 0, n, static_cast<const T*>(src), static_cast<T*>(values), index, [&](auto& entries) {
      std::sort(entries.begin(), entries.end(), descending ? descends<T> : ascends<T>);
    });
  });
}

void topk_rows(DType dtype, int64_t rows, int64_t n, int64_t k, bool largest, const void* src, void* values,
               int64_t* index) {
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    order_rows(rows, n, 0, k, static_cast<const T*>(src), static_cast<T*>(values), index, [&](auto& entries) {
      std::partial_sort(entries.begin(), entries.begin() + k, entries.end(),
                        largest ? descends<T> : ascends<T>);
    });
  });
}

void kth_rows(DType dtype, int64_t rows, int64_t n, int64_t k, const void* src, void* values,
              int64_t* index) {
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    order_rows(rows, n, k, k + 1, static_cast<const T*>(src), static_cast<T*>(values), index,
               [&](auto& entries) {
                 std::nth_element(entries.begin(), entries.begin() + k, entries.end(), ascends<T>);
               });
  });
}

void cumulate(bool product, DType dtype, int64_t outer, int64_t n, int64_t inner, const void* src,
              void* dst) {
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    cumulate_typed(product, outer, n, inner, static_cast<const T*>(src), static_cast<T*>(dst));
  });
}

}  // namespace rushlight::kernels

#include "rushlight/kernels/sort/sort.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "rushlight/base/parallel.h"

namespace rushlight::kernels {
namespace {

// Elements are ordered by unsigned integers: key order is value order, all NaN equal and above the rest, both
// zeros equal.
template <class T>
using Key = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
Key<T> key_of(T x) {
  if constexpr (std::is_integral_v<T>) {
    constexpr Key<T> sign = Key<T>{1} << (8 * sizeof(Key<T>) - 1);
    using Signed = std::make_signed_t<Key<T>>;
    return static_cast<Key<T>>(static_cast<Signed>(x)) ^ sign;
  } else {
    using Float = std::conditional_t<sizeof(T) == 8, double, float>;
    constexpr Key<T> sign = Key<T>{1} << (8 * sizeof(Float) - 1);
    const Float value = static_cast<Float>(x);
    Key<T> bits;
    std::memcpy(&bits, &value, sizeof(bits));
    const Key<T> ordered = bits & sign ? ~bits : bits | sign;
    const Key<T> number = value == 0 ? sign : ordered;
    return value != value ? std::numeric_limits<Key<T>>::max() : number;
  }
}

// A key and where it stands, ordered by both: every order of them is stable. In one word if they fit.
struct Packed {
  uint64_t word;
  Packed() = default;
  Packed(uint32_t key, int64_t index) : word(uint64_t{key} << 32 | static_cast<uint64_t>(index)) {}
  uint32_t key() const { return static_cast<uint32_t>(word >> 32); }
  int64_t index() const { return static_cast<int64_t>(word & 0xffffffffu); }
  bool operator<(const Packed& other) const { return word < other.word; }
};
struct Paired {
  uint64_t value;
  int64_t position;
  Paired() = default;
  Paired(uint64_t key, int64_t index) : value(key), position(index) {}
  uint64_t key() const { return value; }
  int64_t index() const { return position; }
  bool operator<(const Paired& other) const {
    return value != other.value ? value < other.value : position < other.position;
  }
};

// Memory of one thread's rows.
template <class Item>
struct Rows {
  std::vector<Item> items, spare;
};

constexpr int64_t kShortRow = 256;  // radix passes over all digits cost more than comparing

// Sorts by radix, a byte a pass from the lowest: items arrive in the order of their positions, and passes are
// stable.
template <class Item>
void radix_sort(Rows<Item>& rows) {
  constexpr int kKeyBytes = sizeof(rows.items[0].key());
  std::array<std::array<uint32_t, 256>, kKeyBytes> counts{};
  for (const Item& item : rows.items)
    for (int byte = 0; byte < kKeyBytes; ++byte) ++counts[byte][item.key() >> (8 * byte) & 255];
  rows.spare.resize(rows.items.size());
  for (int byte = 0; byte < kKeyBytes; ++byte) {
    auto& starts = counts[byte];
    if (starts[rows.items[0].key() >> (8 * byte) & 255] == rows.items.size()) continue;  // all alike
    uint32_t next = 0;
    for (uint32_t& start : starts) next += std::exchange(start, next);
    for (const Item& item : rows.items) rows.spare[starts[item.key() >> (8 * byte) & 255]++] = item;
    rows.items.swap(rows.spare);
  }
}

template <class T, class Item>
void load(const T* src, int64_t n, Key<T> flip, std::vector<Item>& items) {
  items.resize(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) items[static_cast<size_t>(i)] = Item(key_of(src[i]) ^ flip, i);
}

struct SortAll {
  template <class T, class Item>
  void operator()(const T* src, int64_t n, Key<T> flip, Rows<Item>& rows) const {
    load(src, n, flip, rows.items);
    if (n <= kShortRow || n > std::numeric_limits<uint32_t>::max())
      std::sort(rows.items.begin(), rows.items.end());
    else
      radix_sort(rows);
  }
};

// Leaves the first k in order at the front.
struct SelectFirst {
  int64_t k;
  template <class T, class Item>
  void operator()(const T* src, int64_t n, Key<T> flip, Rows<Item>& rows) const {
    auto& items = rows.items;
    if (k * 16 > n) {
      load(src, n, flip, items);
      if (k > 0) std::nth_element(items.begin(), items.begin() + (k - 1), items.end());
    } else {  // a heap of the best so far, its worst on top: few elements pass it
      load(src, k, flip, items);
      std::make_heap(items.begin(), items.end());
      constexpr int64_t kBlock = 256;
      std::array<Key<T>, kBlock> keys;
      for (int64_t begin = k; k > 0 && begin < n; begin += kBlock) {
        const int64_t count = std::min(kBlock, n - begin);
        for (int64_t i = 0; i < count; ++i) keys[static_cast<size_t>(i)] = key_of(src[begin + i]) ^ flip;
        auto worst = items.front().key();
        for (int64_t i = 0; i < count; ++i) {
          if (keys[static_cast<size_t>(i)] >= worst) continue;
          std::pop_heap(items.begin(), items.end());
          items.back() = Item(keys[static_cast<size_t>(i)], begin + i);
          std::push_heap(items.begin(), items.end());
          worst = items.front().key();
        }
      }
    }
    std::sort(items.begin(), items.begin() + k);
  }
};

struct SelectOne {
  int64_t k;
  template <class T, class Item>
  void operator()(const T* src, int64_t n, Key<T> flip, Rows<Item>& rows) const {
    load(src, n, flip, rows.items);
    std::nth_element(rows.items.begin(), rows.items.begin() + k, rows.items.end());
  }
};

// For every row: order arranges the row's items, then those of [first, last) are stored.
template <class Item, class T, class Order>
void order_rows(int64_t rows, int64_t n, int64_t first, int64_t last, bool descending, const T* src,
                T* values, int64_t* index, const Order& order) {
  HeavyWork scope(rows * n * 8);
  const int64_t kept = last - first;
  const Key<T> flip = descending ? std::numeric_limits<Key<T>>::max() : 0;
  parallel_for(rows, std::max<int64_t>(1, 4096 / std::max<int64_t>(1, n)), [&](int64_t begin, int64_t end) {
    Rows<Item> own;
    for (int64_t row = begin; row < end; ++row) {
      const T* from = src + row * n;
      if (n > 0) order(from, n, flip, own);
      for (int64_t i = 0; i < kept; ++i) {
        const int64_t at = own.items[static_cast<size_t>(first + i)].index();
        values[row * kept + i] = from[at];
        index[row * kept + i] = at;
      }
    }
  });
}

template <class Order>
void order_rows(DType dtype, int64_t rows, int64_t n, int64_t first, int64_t last, bool descending,
                const void* src, void* values, int64_t* index, const Order& order) {
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto run = [&](auto item) {
      order_rows<decltype(item)>(rows, n, first, last, descending, static_cast<const T*>(src),
                                 static_cast<T*>(values), index, order);
    };
    sizeof(Key<T>) == 4 && n <= std::numeric_limits<uint32_t>::max() ? run(Packed()) : run(Paired());
  });
}

constexpr int64_t kCumulateRows = 4;       // independent running sums hide each other's latency
constexpr int64_t kCumulateColumns = 256;  // neighbouring columns of a piece

template <bool kProduct, class Acc, class T>
T accumulate(Acc& running, T x) {
  const auto value = static_cast<Acc>(x);
  running = kProduct ? running * value : running + value;
  if constexpr (sizeof(T) == 2 && !std::is_integral_v<T>)
    return T(static_cast<float>(running));
  else
    return static_cast<T>(running);
}

template <bool kProduct, class T>
void cumulate_typed(int64_t outer, int64_t n, int64_t inner, const T* src, T* dst) {
  using Acc = std::conditional_t<!std::is_integral_v<T>, double, uint64_t>;
  constexpr Acc kStart = kProduct ? 1 : 0;
  if (n == 0 || inner == 0) return;
  HeavyWork scope(outer * n * inner);
  if (inner == 1) {
    const int64_t groups = (outer + kCumulateRows - 1) / kCumulateRows;
    parallel_for(groups, std::max<int64_t>(1, 16384 / (n * kCumulateRows)), [&](int64_t begin, int64_t end) {
      int64_t row = begin * kCumulateRows;
      const int64_t last = std::min(outer, end * kCumulateRows);
      for (; row + kCumulateRows <= last; row += kCumulateRows) {
        std::array<Acc, kCumulateRows> running;
        running.fill(kStart);
        for (int64_t i = 0; i < n; ++i)
          for (int64_t r = 0; r < kCumulateRows; ++r) {
            const int64_t at = (row + r) * n + i;
            dst[at] = accumulate<kProduct>(running[static_cast<size_t>(r)], src[at]);
          }
      }
      for (; row < last; ++row) {
        Acc running = kStart;
        for (int64_t at = row * n; at < (row + 1) * n; ++at) dst[at] = accumulate<kProduct>(running, src[at]);
      }
    });
    return;
  }
  const int64_t panels = (inner + kCumulateColumns - 1) / kCumulateColumns;
  const int64_t grain = std::max<int64_t>(1, 16384 / (n * std::min(inner, kCumulateColumns)));
  parallel_for(outer * panels, grain, [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t column = job % panels * kCumulateColumns;
      const int64_t width = std::min(kCumulateColumns, inner - column);
      std::array<Acc, kCumulateColumns> running;
      running.fill(kStart);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t at = (job / panels * n + i) * inner + column;
        for (int64_t c = 0; c < width; ++c)
          dst[at + c] = accumulate<kProduct>(running[static_cast<size_t>(c)], src[at + c]);
      }
    }
  });
}

}  // namespace

void sort_rows(DType dtype, int64_t rows, int64_t n, bool descending, const void* src, void* values,
               int64_t* index) {
  order_rows(dtype, rows, n, 0, n, descending, src, values, index, SortAll());
}

void topk_rows(DType dtype, int64_t rows, int64_t n, int64_t k, bool largest, const void* src, void* values,
               int64_t* index) {
  order_rows(dtype, rows, n, 0, k, largest, src, values, index, SelectFirst{k});
}

void kth_rows(DType dtype, int64_t rows, int64_t n, int64_t k, const void* src, void* values,
              int64_t* index) {
  order_rows(dtype, rows, n, k, k + 1, false, src, values, index, SelectOne{k});
}

void cumulate(bool product, DType dtype, int64_t outer, int64_t n, int64_t inner, const void* src,
              void* dst) {
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = static_cast<const T*>(src);
    T* to = static_cast<T*>(dst);
    product ? cumulate_typed<true>(outer, n, inner, from, to)
            : cumulate_typed<false>(outer, n, inner, from, to);
  });
}

}  // namespace rushlight::kernels

#include "rushlight/tensor/allocator.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "rushlight/base/aligned_memory.h"
#include "rushlight/base/check.h"
#include "rushlight/base/trace.h"

namespace rushlight {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kSmallLimit = 4096;       // up to here: per-thread lists, no lock
constexpr size_t kClassesPerDoubling = 8;  // waste at most 1/8
constexpr size_t kSmallClasses = kSmallLimit / kAlignment + 1;
constexpr size_t kLargeClasses = 64 * kClassesPerDoubling;
constexpr size_t kSmallListLimit = 128;
constexpr int64_t kMinimumCacheLimit = int64_t{256} << 20;

size_t class_bytes(size_t index) {
  const size_t base = size_t{1} << index / kClassesPerDoubling;
  return base + base / kClassesPerDoubling * (index % kClassesPerDoubling);
}

// The smallest class of at least `nbytes` (above kSmallLimit).
size_t large_class(size_t nbytes) {
  const size_t log = 63 - static_cast<size_t>(__builtin_clzll(nbytes));
  const size_t step = (size_t{1} << log) / kClassesPerDoubling;
  return log * kClassesPerDoubling + (nbytes - (size_t{1} << log) + step - 1) / step;
}

size_t rounded_size(size_t nbytes) {
  if (nbytes <= kSmallLimit)
    return std::max<size_t>(nbytes + kAlignment - 1, kAlignment) / kAlignment * kAlignment;
  return class_bytes(large_class(nbytes));
}

// A freed block and when it was freed.
struct Cached {
  void* block;
  uint64_t when;
};

struct Pool {
  std::mutex mutex;                                      // guards what follows, up to the counters
  std::array<std::vector<Cached>, kLargeClasses> lists;  // each oldest first
  uint64_t clock = 0;
  std::atomic<int64_t> allocated{0};
  std::atomic<int64_t> peak{0};
  std::atomic<int64_t> cached{0};
  std::atomic<int64_t> peak_reserved{0};
  std::atomic<int64_t> count{0};
};

// Never destroyed: tensors may outlive static destruction.
Pool& pool() {
  static Pool* const instance = [] {
    static Pool* made = new Pool;
    // A fork must not catch the lock held by another thread.
    pthread_atfork([] { made->mutex.lock(); }, [] { made->mutex.unlock(); }, [] { made->mutex.unlock(); });
    return made;
  }();
  return *instance;
}

// A thread's freed small blocks; `alive` tells late destructors that the lists are gone.
struct SmallLists {
  std::array<std::vector<void*>, kSmallClasses> lists;
  ~SmallLists() {
    clear();
    alive = false;
  }
  void clear() {
    for (size_t i = 0; i < lists.size(); ++i) {
      for (void* block : lists[i]) std::free(block);
      pool().cached.fetch_sub(static_cast<int64_t>(lists[i].size() * i * kAlignment));
      lists[i].clear();
    }
  }
  static thread_local bool alive;
};
thread_local bool SmallLists::alive = true;
thread_local SmallLists small_lists;

void* pop_cached(Pool& p, size_t size) {
  if (size <= kSmallLimit) {
    if (!SmallLists::alive) return nullptr;
    auto& list = small_lists.lists[size / kAlignment];
    if (list.empty()) return nullptr;
    void* block = list.back();
    list.pop_back();
    return block;
  }
  const std::lock_guard<std::mutex> lock(p.mutex);
  auto& list = p.lists[large_class(size)];
  if (list.empty()) return nullptr;
  void* block = list.back().block;
  list.pop_back();
  return block;
}

// Frees the large block that has waited longest; false if there is none.
bool evict_oldest(Pool& p) {
  size_t oldest = kLargeClasses;
  for (size_t i = 0; i < kLargeClasses; ++i) {
    if (p.lists[i].empty()) continue;
    if (oldest == kLargeClasses || p.lists[i].front().when < p.lists[oldest].front().when) oldest = i;
  }
  if (oldest == kLargeClasses) return false;
  std::free(p.lists[oldest].front().block);
  p.lists[oldest].erase(p.lists[oldest].begin());
  p.cached.fetch_sub(static_cast<int64_t>(class_bytes(oldest)), std::memory_order_relaxed);
  return true;
}

bool push_cached(Pool& p, void* block, size_t size) {
  if (size <= kSmallLimit) {
    if (!SmallLists::alive) return false;
    auto& list = small_lists.lists[size / kAlignment];
    if (list.size() >= kSmallListLimit) return false;
    list.push_back(block);
    return true;
  }
  // Keep at most as much as was ever in use, and always a little; what was used last is what is wanted next.
  const int64_t limit = std::max(kMinimumCacheLimit, p.peak.load(std::memory_order_relaxed));
  const auto bytes = static_cast<int64_t>(size);
  const std::lock_guard<std::mutex> lock(p.mutex);
  while (p.cached.load(std::memory_order_relaxed) + bytes > limit)
    if (bytes > limit || !evict_oldest(p)) return false;
  p.lists[large_class(size)].push_back({block, p.clock++});
  return true;
}

}  // namespace

namespace {
void raise_to(std::atomic<int64_t>& maximum, int64_t value) {
  int64_t known = maximum.load(std::memory_order_relaxed);
  while (value > known && !maximum.compare_exchange_weak(known, value, std::memory_order_relaxed)) {
  }
}
}  // namespace

void* allocate(size_t nbytes) {
  Pool& p = pool();
  RUSHLIGHT_CHECK(nbytes < (size_t{1} << 46),  // more than a process can address
                  "out of memory: could not allocate ", nbytes, " bytes");
  const size_t size = rounded_size(nbytes);
  const auto bytes = static_cast<int64_t>(size);
  void* block = pop_cached(p, size);
  const bool fresh = block == nullptr;
  if (!fresh) {
    p.cached.fetch_sub(bytes, std::memory_order_relaxed);
  } else {
    block = allocate_aligned(size);
    if (block == nullptr) {
      empty_cache();
      block = allocate_aligned(size);
    }
    RUSHLIGHT_CHECK(block != nullptr, "out of memory: could not allocate ", nbytes, " bytes (tensors hold ",
                    p.allocated.load(), " bytes)");
  }
  p.count.fetch_add(1, std::memory_order_relaxed);
  trace::note_memory(bytes);
  const int64_t now = p.allocated.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  raise_to(p.peak, now);
  if (fresh) raise_to(p.peak_reserved, now + p.cached.load(std::memory_order_relaxed));
  return block;
}

void deallocate(void* block, size_t nbytes) noexcept {
  if (block == nullptr) return;
  Pool& p = pool();
  const size_t size = rounded_size(nbytes);
  const auto bytes = static_cast<int64_t>(size);
  p.allocated.fetch_sub(bytes, std::memory_order_relaxed);
  trace::note_memory(-bytes);
  bool kept = false;
  try {
    kept = push_cached(p, block, size);
  } catch (...) {  // no memory to remember the block: give it back
  }
  if (kept)
    p.cached.fetch_add(bytes, std::memory_order_relaxed);
  else
    std::free(block);
}

MemoryStats memory_stats() {
  const Pool& p = pool();
  return {p.allocated.load(), p.peak.load(), p.cached.load(), p.peak_reserved.load(), p.count.load()};
}

void reset_peak_memory_stats() {
  Pool& p = pool();
  p.peak.store(p.allocated.load());
  p.peak_reserved.store(p.allocated.load() + p.cached.load());
}

void empty_cache() {
  Pool& p = pool();
  if (SmallLists::alive) small_lists.clear();
  const std::lock_guard<std::mutex> lock(p.mutex);
  for (size_t i = 0; i < kLargeClasses; ++i) {
    for (const Cached& entry : p.lists[i]) std::free(entry.block);
    p.cached.fetch_sub(static_cast<int64_t>(p.lists[i].size() * class_bytes(i)));
    p.lists[i].clear();
  }
}

}  // namespace rushlight

// Memory shared by a tensor and its views.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

#include "rushlight/base/dtype.h"
#include "rushlight/base/source_location.h"
#include "rushlight/tensor/shape.h"

namespace rushlight {

// Note [Physical layout]
// A result of a convolution network op is *logically* (N, C, H, W)-contiguous, as in PyTorch, while
// its storage may hold the bytes in N, H, W, C order. Kernels that take any strides read it through
// Tensor::access(). Whatever needs plain memory (views with other geometry, numpy(), slicing, saving)
// calls data(), which rewrites the storage to plain order, once and for good: a storage never goes
// back to channels-last, so a pointer that was given out stays right.
//
// Note [Deferred values]
// The weight gradient of a layer that saw few pixels or rows is a sum of few outer products, and memory is
// what it costs: written once, read once by the optimizer. Its storage keeps the factors instead; an
// optimizer that knows them (ops/outer_gradient.h) multiplies as it updates the weights. Whoever else looks
// calls data(), which computes the values, once and for good.
class DeferredValues {
 public:
  virtual ~DeferredValues() = default;
  virtual void write(char* to) const = 0;
};

class Storage {
 public:
  explicit Storage(size_t nbytes);
  // Channels-last storage of a whole (N, C, H, W) tensor.
  Storage(const Dims& sizes, DType dtype);
  // See Note [Deferred values].
  Storage(size_t nbytes, std::shared_ptr<const DeferredValues> values);
  // Foreign memory; `release` runs when the last tensor goes.
  Storage(void* data, size_t nbytes, std::function<void()> release);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  size_t nbytes() const { return nbytes_; }
  bool is_channels_last() const { return form() == Form::ChannelsLast; }

  // Plain memory. See Note [Physical layout].
  char* data() {
    if (form() != Form::Plain) make_plain();
    return data_;
  }
  // What data() would compute; null if that was done or there is nothing to compute.
  std::shared_ptr<const DeferredValues> deferred();
  // Computes deferred values now.
  void settle() {
    if (form() == Form::Deferred) make_plain();
  }
  // The channels-last block, kept alive by the pointer; null if the storage is plain (by now).
  std::shared_ptr<char> channels_last_data();

  uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  // Called after every in-place change.
  void bump_version() {
    version_.fetch_add(1, std::memory_order_relaxed);
    if (keeps_.load(std::memory_order_relaxed)) std::atomic_store(&kept_, std::shared_ptr<const Kept>());
    last_change_ = SourceLocation::capture();
  }
  SourceLocation last_change() const { return last_change_; }
  // For caches of what was computed from the memory: never the same again once the memory may have changed; 0
  // as long as code outside (NumPy, DLPack, who asked for the address) can write it at any time.
  uint64_t stamp() const {
    if (is_foreign() || lent_.load(std::memory_order_relaxed) != 0) return 0;
    return (uint64_t{version()} << 32 | returned_.load(std::memory_order_relaxed)) + 1;
  }
  // Code outside has the address from now on, and until give_back() if it says so.
  void lend() { lent_.fetch_add(1, std::memory_order_relaxed); }
  void give_back() {
    returned_.fetch_add(1, std::memory_order_relaxed);
    lent_.fetch_sub(1, std::memory_order_relaxed);
  }
  // One thing that was made of the memory (weights in a kernel's order) when it had the stamp; kept() is null
  // once that is another. Dropped with the memory's next change.
  void keep(uint64_t stamp, std::shared_ptr<const void> made) {
    keeps_.store(true, std::memory_order_relaxed);
    std::atomic_store(&kept_, std::make_shared<const Kept>(Kept{stamp, std::move(made)}));
  }
  std::shared_ptr<const void> kept() const {
    const std::shared_ptr<const Kept> found = std::atomic_load(&kept_);
    return found != nullptr && found->stamp == stamp() ? found->made : nullptr;
  }
  // Foreign memory that its owner declared read-only (NumPy): writing stays possible, as in PyTorch.
  bool is_foreign() const { return release_ != nullptr; }

 private:
  enum class Form : uint8_t { Plain, ChannelsLast, Deferred };
  Form form() const { return form_.load(std::memory_order_acquire); }
  void make_plain();

  char* data_ = nullptr;
  size_t nbytes_;
  std::atomic<Form> form_{Form::Plain};
  std::atomic<uint32_t> version_{0};
  std::atomic<uint32_t> lent_{0};
  std::atomic<uint32_t> returned_{0};
  std::atomic<bool> keeps_{false};
  struct Kept {
    uint64_t stamp;
    std::shared_ptr<const void> made;
  };
  std::shared_ptr<const Kept> kept_;  // only through std::atomic_load and std::atomic_store
  SourceLocation last_change_;
  std::function<void()> release_;
  // Of a storage that was not made plain.
  struct Physical {
    std::mutex mutex;
    std::shared_ptr<char> data;  // channels-last
    Dims sizes;
    DType dtype;
    std::shared_ptr<const DeferredValues> values;
  };
  std::unique_ptr<Physical> physical_;
};

// Keeps a storage alive and lent while it lives.
class Loan {
 public:
  explicit Loan(std::shared_ptr<Storage> storage) : storage_(std::move(storage)) { storage_->lend(); }
  ~Loan() { storage_->give_back(); }
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;

 private:
  std::shared_ptr<Storage> storage_;
};

// Copies channels-last `src` to plain `dst` (defined with the ops, which know the copy kernel).
void relayout_to_plain(const Dims& sizes, DType dtype, const void* src, void* dst);

}  // namespace rushlight

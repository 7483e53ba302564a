#include "rushlight/tensor/storage.h"

#include "rushlight/base/parallel.h"
#include "rushlight/tensor/allocator.h"

namespace rushlight {

Storage::Storage(size_t nbytes) : data_(static_cast<char*>(allocate(nbytes))), nbytes_(nbytes) {}

Storage::Storage(const Dims& sizes, DType dtype)
    : nbytes_(static_cast<size_t>(numel_of(sizes)) * dtype_size(dtype)), channels_last_(true) {
  physical_ = std::make_unique<ChannelsLast>();
  const size_t bytes = nbytes_;
  physical_->data = std::shared_ptr<char>(static_cast<char*>(allocate(bytes)),
                                          [bytes](char* block) { deallocate(block, bytes); });
  physical_->sizes = sizes;
  physical_->dtype = dtype;
}

Storage::Storage(void* data, size_t nbytes, std::function<void()> release)
    : data_(static_cast<char*>(data)), nbytes_(nbytes), release_(std::move(release)) {}

Storage::~Storage() {
  if (release_)
    release_();
  else
    deallocate(data_, nbytes_);
}

std::shared_ptr<char> Storage::channels_last_data() {
  if (!is_channels_last()) return nullptr;
  const std::lock_guard<std::mutex> lock(physical_->mutex);
  return physical_->data;
}

void Storage::make_plain() {
  // First the GIL, then the lock: a thread that holds the lock must never wait for the GIL.
  const HeavyWork heavy(static_cast<int64_t>(nbytes_));
  const std::lock_guard<std::mutex> lock(physical_->mutex);
  if (!channels_last_.load(std::memory_order_relaxed)) return;
  char* plain = static_cast<char*>(allocate(nbytes_));
  relayout_to_plain(physical_->sizes, physical_->dtype, physical_->data.get(), plain);
  data_ = plain;
  physical_->data = nullptr;  // a kernel that reads the old block holds it through its own pointer
  channels_last_.store(false, std::memory_order_release);
}

}  // namespace rushlight

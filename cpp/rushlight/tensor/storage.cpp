#include "rushlight/tensor/storage.h"

#include "rushlight/base/parallel.h"
#include "rushlight/tensor/allocator.h"

namespace rushlight {

Storage::Storage(size_t nbytes) : data_(static_cast<char*>(allocate(nbytes))), nbytes_(nbytes) {}

Storage::Storage(const Dims& sizes, DType dtype)
    : nbytes_(static_cast<size_t>(numel_of(sizes)) * dtype_size(dtype)), form_(Form::ChannelsLast) {
  physical_ = std::make_unique<Physical>();
  const size_t bytes = nbytes_;
  physical_->data = std::shared_ptr<char>(static_cast<char*>(allocate(bytes)),
                                          [bytes](char* block) { deallocate(block, bytes); });
  physical_->sizes = sizes;
  physical_->dtype = dtype;
}

Storage::Storage(size_t nbytes, std::shared_ptr<const DeferredValues> values)
    : nbytes_(nbytes), form_(Form::Deferred), physical_(std::make_unique<Physical>()) {
  physical_->values = std::move(values);
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

std::shared_ptr<const DeferredValues> Storage::deferred() {
  if (form() != Form::Deferred) return nullptr;
  const std::lock_guard<std::mutex> lock(physical_->mutex);
  return physical_->values;
}

void Storage::make_plain() {
  // First the GIL, then the lock: a thread that holds the lock must never wait for the GIL.
  const HeavyWork heavy(static_cast<int64_t>(nbytes_));
  const std::lock_guard<std::mutex> lock(physical_->mutex);
  if (form() == Form::Plain) return;
  if (data_ == nullptr) data_ = static_cast<char*>(allocate(nbytes_));
  if (form() == Form::Deferred)
    physical_->values->write(data_);
  else
    relayout_to_plain(physical_->sizes, physical_->dtype, physical_->data.get(), data_);
  // A kernel that reads them holds them through its own pointer.
  physical_->data = nullptr;
  physical_->values = nullptr;
  form_.store(Form::Plain, std::memory_order_release);
}

}  // namespace rushlight

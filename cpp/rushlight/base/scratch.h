// Temporary memory for kernels: kept per thread between calls, because the page faults of fresh memory
// cost more than many kernels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rushlight {

// At least `count` elements of T, aligned to 64 bytes, not initialised; given back at the end of the scope
// by the thread that took it.
class ScratchBytes {
 public:
  explicit ScratchBytes(size_t bytes);
  ~ScratchBytes();
  ScratchBytes(const ScratchBytes&) = delete;
  ScratchBytes& operator=(const ScratchBytes&) = delete;

 protected:
  void* data_;
  size_t capacity_;
};

template <class T>
class Scratch : ScratchBytes {
 public:
  explicit Scratch(int64_t count) : ScratchBytes(static_cast<size_t>(count) * sizeof(T)) {}
  T* data() { return static_cast<T*>(data_); }
  T& operator[](int64_t i) { return data()[i]; }
};

}  // namespace rushlight

// Memory of tensors: 64-byte aligned blocks in size classes, kept for reuse when freed, because
// page faults on fresh activations cost more than many kernels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rushlight {

// Never returns null; throws RuntimeError with the size when memory is out. Safe from any thread.
void* allocate(size_t nbytes);
// `nbytes` must be what allocate was called with.
void deallocate(void* block, size_t nbytes) noexcept;

struct MemoryStats {
  int64_t allocated_bytes;       // held by tensors now
  int64_t peak_allocated_bytes;  // maximum of that since start or reset
  int64_t cached_bytes;          // freed, kept for reuse
  int64_t peak_reserved_bytes;   // maximum of allocated and cached together since start or reset
  int64_t allocation_count;      // calls of allocate so far
};
MemoryStats memory_stats();
void reset_peak_memory_stats();
// Gives cached blocks back to the system (of the small ones, those of the calling thread).
void empty_cache();

}  // namespace rushlight

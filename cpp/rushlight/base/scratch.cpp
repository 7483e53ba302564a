#include "rushlight/base/scratch.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <vector>

#include "rushlight/base/aligned_memory.h"

namespace rushlight {
namespace {

constexpr size_t kGranule = 4096;
constexpr size_t kKeptBytes = size_t{64} << 20;  // per thread

struct Block {
  void* data;
  size_t capacity;
};

struct FreeBlocks {
  std::vector<Block> blocks;
  size_t bytes = 0;
  ~FreeBlocks() {
    for (const Block& block : blocks) std::free(block.data);
  }
};

FreeBlocks& free_blocks() {
  static thread_local FreeBlocks kept;
  return kept;
}

}  // namespace

ScratchBytes::ScratchBytes(size_t bytes) {
  FreeBlocks& kept = free_blocks();
  auto best = kept.blocks.end();
  for (auto it = kept.blocks.begin(); it != kept.blocks.end(); ++it)
    if (it->capacity >= bytes && (best == kept.blocks.end() || it->capacity < best->capacity)) best = it;
  if (best != kept.blocks.end()) {
    data_ = best->data;
    capacity_ = best->capacity;
    kept.bytes -= capacity_;
    kept.blocks.erase(best);
    return;
  }
  capacity_ = (std::max<size_t>(bytes, 1) + kGranule - 1) / kGranule * kGranule;
  data_ = allocate_aligned(capacity_);
  if (data_ == nullptr) throw std::bad_alloc();
}

ScratchBytes::~ScratchBytes() {
  FreeBlocks& kept = free_blocks();
  if (kept.bytes + capacity_ > kKeptBytes) {
    std::free(data_);
    return;
  }
  kept.bytes += capacity_;
  kept.blocks.push_back({data_, capacity_});
}

}  // namespace rushlight

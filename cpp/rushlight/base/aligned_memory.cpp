#include "rushlight/base/aligned_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

namespace rushlight {

void* allocate_aligned(size_t bytes) {
  constexpr size_t kLine = 64, kHugePage = size_t{2} << 20;
  const bool huge = bytes >= kHugePage;
  const size_t alignment = huge ? kHugePage : kLine;
  void* block =
      std::aligned_alloc(alignment, (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment);
#ifdef MADV_HUGEPAGE
  if (block != nullptr && huge) madvise(block, bytes, MADV_HUGEPAGE);
#endif
  return block;
}

}  // namespace rushlight

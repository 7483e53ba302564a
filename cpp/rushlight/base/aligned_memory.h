// Memory from the system, for the caches that keep it.
#pragma once

#include <cstddef>

namespace rushlight {

// Aligned to 64 bytes, not initialised, null if there is none; to be given back with std::free. Large blocks
// ask the system for huge pages: walking through them misses far fewer page translations.
void* allocate_aligned(size_t bytes);

}  // namespace rushlight

// Vectors of what T stands for in memory, for any level (see Note [ISA translation units]): T itself, or
// bfloat16 for uint16_t, which is widened to float32 and rounded to nearest even on its way back.
#pragma once

#include <type_traits>

#include "rushlight/kernels/vec/vec.h"
#include "rushlight/kernels/wide.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

// Up to n elements; missing lanes are zero.
template <class T>
inline Vec<Wide<T>> load_wide(const T* p, int64_t n) {
  if constexpr (std::is_same_v<T, uint16_t>)
    return load_bf16(p, n < Vec<float>::kLanes ? n : Vec<float>::kLanes);
  else
    return load_n(p, n);
}
template <class T>
inline void store_narrow(T* p, Vec<Wide<T>> v, int64_t n) {
  if constexpr (std::is_same_v<T, uint16_t>)
    store_bf16(p, v, n < Vec<float>::kLanes ? n : Vec<float>::kLanes);
  else
    store_n(p, v, n);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

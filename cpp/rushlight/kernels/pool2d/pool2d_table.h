// The loops of pooling that are compiled per ISA level: one output pixel of channels-last data.
#pragma once

#include <cstdint>

#include "rushlight/kernels/isa.h"

namespace rushlight::kernels {

// The part of an image that one output pixel reads, as positions h * width + w.
struct PoolWindow {
  int64_t first;
  int64_t rows;
  int64_t columns;
  int64_t row_step;
  int64_t column_step;
};

// T is float, double, or uint16_t for bfloat16.
template <class T>
struct Pool2dTable {
  // image: (height * width, channels); rows and columns are at least 1
  void (*max_pixel)(const PoolWindow& window, const T* image, int64_t channels, T* dst, int64_t* index);
  void (*avg_pixel)(const PoolWindow& window, const T* image, int64_t channels, double divisor, T* dst);
};

namespace generic {
extern const Pool2dTable<float> kPool2dF32;
extern const Pool2dTable<double> kPool2dF64;
extern const Pool2dTable<uint16_t> kPool2dBf16;
}  // namespace generic
namespace avx2 {
extern const Pool2dTable<float> kPool2dF32;
extern const Pool2dTable<double> kPool2dF64;
extern const Pool2dTable<uint16_t> kPool2dBf16;
}  // namespace avx2
namespace avx512 {
extern const Pool2dTable<float> kPool2dF32;
extern const Pool2dTable<double> kPool2dF64;
extern const Pool2dTable<uint16_t> kPool2dBf16;
}  // namespace avx512

}  // namespace rushlight::kernels

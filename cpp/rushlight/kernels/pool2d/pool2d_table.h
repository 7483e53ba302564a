// The loops of pooling that are compiled per ISA level: one pixel of channels-last data.
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

// An output pixel whose window has a certain input pixel in it.
struct PoolCover {
  int64_t output;  // where the output pixel's channels begin
  uint8_t number;  // of the input pixel within the window
};

// T is float, double, or uint16_t for bfloat16.
template <class T>
struct Pool2dTable {
  // image: (height * width, channels); rows and columns are at least 1
  void (*max_pixel)(const PoolWindow& window, const T* image, int64_t channels, T* dst, uint8_t* choice);
  // dst = sum of the gradients of those covers that chose this pixel
  void (*max_back_pixel)(const PoolCover* covers, int64_t count, int64_t channels, const T* grad,
                         const uint8_t* choice, T* dst);
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

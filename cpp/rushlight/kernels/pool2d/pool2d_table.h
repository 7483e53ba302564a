// The loops of pooling that are compiled per ISA level: one pixel or row of channels-last data.
#pragma once

#include <cstdint>

#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/wide.h"

namespace rushlight::kernels {

// The part of an image that one output pixel reads, as positions h * width + w.
struct PoolWindow {
  int64_t first;
  int64_t rows;
  int64_t columns;
  int64_t row_step;
  int64_t column_step;
};

// (x - center) * scale + shift; one value a channel each.
template <class T>
struct PoolMap {
  const T* center;
  const T* scale;
  const T* shift;
};

// A window along one axis that has a certain input position in it.
struct PoolCover {
  int64_t output;  // of which output position it is
  int64_t number;  // of the input position within the window
  int64_t length;  // of the window
};

// The windows over the columns [begin, end) of a row of an input image.
struct PoolRow {
  const PoolCover* over_row;
  int64_t over_row_count;
  const PoolCover* over_columns;  // of input column w: from column_begins[w] up to column_begins[w + 1]
  const int64_t* column_begins;
  int64_t begin, end, out_width;
  int64_t channels;
};

// T is float, double, or uint16_t for bfloat16.
template <class T>
struct Pool2dTable {
  // image: (height * width, channels); rows and columns are at least 1
  void (*max_pixel)(const PoolWindow& window, const T* image, int64_t channels, T* dst, uint8_t* choice);
  // The same for `count` pixels next to each other, of max(0, map of x); picked: the elements x.
  void (*max_affine_row)(const PoolMap<Wide<T>>& map, const PoolWindow* windows, int64_t count,
                         const T* image, int64_t channels, T* dst, T* picked, uint8_t* choice);
  // For each of the pixels, dst = sum of the gradients of those outputs that chose it; grad and choice are
  // the whole image's.
  void (*max_back_row)(const PoolRow& row, const T* grad, const uint8_t* choice, T* dst);
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

// What an output pixel reads, in the order of OIHW weights: columns[channel * taps + tap].
#pragma once

#include <cstdint>

namespace rushlight::kernels {

// rows[tap]: the channels at that tap, contiguous; null where it is outside of the source.
template <class T>
struct TapColumns {
  int64_t taps, channels;
  T* const* rows;
  T* columns;
};
// take_taps_* copy rows to columns (zeros for null); add_taps_* add columns to rows.

}  // namespace rushlight::kernels

#include "rushlight/kernels/pool2d/pool2d.inl.h"

namespace rushlight::kernels::avx512 {

extern constexpr Pool2dTable<float> kPool2dF32 = make_pool2d_table<float>();
extern constexpr Pool2dTable<double> kPool2dF64 = make_pool2d_table<double>();
extern constexpr Pool2dTable<uint16_t> kPool2dBf16 = make_pool2d_table<uint16_t>();

}  // namespace rushlight::kernels::avx512

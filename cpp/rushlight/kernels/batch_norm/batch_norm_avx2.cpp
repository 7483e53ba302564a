#include "rushlight/kernels/batch_norm/batch_norm.inl.h"

namespace rushlight::kernels::avx2 {

extern constexpr BatchNormTable<float> kBatchNormF32 = make_batch_norm_table<float>();
extern constexpr BatchNormTable<double> kBatchNormF64 = make_batch_norm_table<double>();
extern constexpr BatchNormTable<uint16_t> kBatchNormBf16 = make_batch_norm_table<uint16_t>();

}  // namespace rushlight::kernels::avx2

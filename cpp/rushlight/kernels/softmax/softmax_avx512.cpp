#include "rushlight/kernels/softmax/softmax.inl.h"

namespace rushlight::kernels::avx512 {

extern constexpr SoftmaxTable<float> kSoftmaxF32 = make_softmax_table<float>();
extern constexpr SoftmaxTable<double> kSoftmaxF64 = make_softmax_table<double>();

}  // namespace rushlight::kernels::avx512

#include "rushlight/kernels/reduce/reduce.inl.h"

namespace rushlight::kernels::generic {

extern constexpr ReduceTable<float> kReduceF32 = make_reduce_table<float>();
extern constexpr ReduceTable<double> kReduceF64 = make_reduce_table<double>();

}  // namespace rushlight::kernels::generic

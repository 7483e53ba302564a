#include "rushlight/kernels/reduce/reduce.inl.h"

namespace rushlight::kernels::generic {

extern constexpr ReduceTable<float> kReduceF32 = make_reduce_table<float>();
extern constexpr ReduceTable<double> kReduceF64 = make_reduce_table<double>();
extern constexpr HalfSums kBf16Sums = make_half_sums<&load_bf16>();
extern constexpr HalfSums kF16Sums = make_half_sums<&load_f16>();

}  // namespace rushlight::kernels::generic

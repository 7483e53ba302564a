// The functions each translation unit of the family provides; null where it has none.
#pragma once

#include "rushlight/kernels/elementwise/elementwise.h"

namespace rushlight::kernels {

namespace generic {
elementwise_detail::Run elementwise_level(ElementwiseOp op, DType type);
}
namespace avx2 {
elementwise_detail::Run elementwise_level(ElementwiseOp op, DType type);
}
namespace avx512 {
elementwise_detail::Run elementwise_level(ElementwiseOp op, DType type);
}
namespace plain {
// Baseline code for Float32 and Float64.
elementwise_detail::Run elementwise_plain(ElementwiseOp op, DType type);
}  // namespace plain

}  // namespace rushlight::kernels

// The functions each translation unit of the family provides; null where it has none.
#pragma once

#include "rushlight/kernels/elementwise/elementwise.h"

namespace rushlight::kernels {

namespace generic {
elementwise_detail::Run elementwise_float(ElementwiseOp op);
}
namespace avx2 {
elementwise_detail::Run elementwise_float(ElementwiseOp op);
}
namespace avx512 {
elementwise_detail::Run elementwise_float(ElementwiseOp op);
}
namespace plain {
// Baseline code for `type` Float32 (rows of kind Libm), Float64, Int32 and Int64.
elementwise_detail::Run elementwise_plain(ElementwiseOp op, DType type);
}  // namespace plain

}  // namespace rushlight::kernels

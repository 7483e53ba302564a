#include "rushlight/kernels/conv2d/conv2d.inl.h"
#include "rushlight/kernels/conv2d/conv2d_levels.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

void conv2d_f32_4x1(const ConvBlock<float>& x) { conv_block<float, 4, 1>(x); }
void conv2d_f64_4x1(const ConvBlock<double>& x) { conv_block<double, 4, 1>(x); }

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

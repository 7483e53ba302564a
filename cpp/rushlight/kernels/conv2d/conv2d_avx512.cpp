#include "rushlight/kernels/conv2d/conv2d.inl.h"
#include "rushlight/kernels/conv2d/conv2d_levels.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

void conv2d_f32_2x7(const ConvBlock<float>& x) { conv_block<float, 2, 7>(x); }
void conv2d_f32_7x2(const ConvBlock<float>& x) { conv_block<float, 7, 2>(x); }
void conv2d_f32_8x1(const ConvBlock<float>& x) { conv_block<float, 8, 1>(x); }
void conv2d_f64_8x1(const ConvBlock<double>& x) { conv_block<double, 8, 1>(x); }

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

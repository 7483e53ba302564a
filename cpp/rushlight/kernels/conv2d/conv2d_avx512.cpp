#include "rushlight/kernels/conv2d/columns.inl.h"
#include "rushlight/kernels/conv2d/conv2d.inl.h"
#include "rushlight/kernels/conv2d/conv2d_levels.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

void conv2d_f32_2x7(const ConvBlock<float>& x) { conv_block<float, 2, 7>(x); }
void conv2d_f32_7x2(const ConvBlock<float>& x) { conv_block<float, 7, 2>(x); }
void conv2d_f32_8x1(const ConvBlock<float>& x) { conv_block<float, 8, 1>(x); }
void conv2d_f64_8x1(const ConvBlock<double>& x) { conv_block<double, 8, 1>(x); }

void take_taps_f32(const TapColumns<float>& x) { take_taps(x); }
void take_taps_f64(const TapColumns<double>& x) { take_taps(x); }
void add_taps_f32(const TapColumns<float>& x) { add_taps(x); }
void add_taps_f64(const TapColumns<double>& x) { add_taps(x); }

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

#include "rushlight/kernels/conv2d/depthwise.inl.h"
#include "rushlight/kernels/conv2d/depthwise_levels.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

void depthwise_f32(const DepthwiseRow<float>& x) { depthwise_row(x); }
void depthwise_f64(const DepthwiseRow<double>& x) { depthwise_row(x); }
void depthwise_grad_f32(const DepthwiseGradRow<float>& x) { depthwise_grad_row(x); }
void depthwise_grad_f64(const DepthwiseGradRow<double>& x) { depthwise_grad_row(x); }

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

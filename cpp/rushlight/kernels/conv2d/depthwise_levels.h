// Declares what each level's file defines.
#pragma once

#include "rushlight/kernels/conv2d/depthwise_rows.h"

#define RUSHLIGHT_DECLARE_DEPTHWISE(level)                    \
  namespace rushlight::kernels::level {                       \
  void depthwise_f32(const DepthwiseRow<float>& x);           \
  void depthwise_f64(const DepthwiseRow<double>& x);          \
  void depthwise_grad_f32(const DepthwiseGradRow<float>& x);  \
  void depthwise_grad_f64(const DepthwiseGradRow<double>& x); \
  }
RUSHLIGHT_DECLARE_DEPTHWISE(generic)
RUSHLIGHT_DECLARE_DEPTHWISE(avx2)
RUSHLIGHT_DECLARE_DEPTHWISE(avx512)
#undef RUSHLIGHT_DECLARE_DEPTHWISE

// Declares what each level's file defines.
#pragma once

#include "rushlight/kernels/conv2d/conv2d.h"

#define RUSHLIGHT_DECLARE_CONV(level, type, name, groups, length)     \
  namespace rushlight::kernels::level {                               \
  void conv2d_##name##_##groups##x##length(const ConvBlock<type>& x); \
  }
#define RUSHLIGHT_CONV_F32(level, LEVEL, isa, groups, length, ...) \
  RUSHLIGHT_DECLARE_CONV(level, float, f32, groups, length)
#define RUSHLIGHT_CONV_F64(level, LEVEL, isa, groups, length, ...) \
  RUSHLIGHT_DECLARE_CONV(level, double, f64, groups, length)
#define RUSHLIGHT_CONV_SPLIT(...)
#include "rushlight/kernels/conv2d/kernels.inc"
#undef RUSHLIGHT_CONV_F32
#undef RUSHLIGHT_CONV_F64
#undef RUSHLIGHT_CONV_SPLIT

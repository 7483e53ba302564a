// Declares what each level's file defines.
#pragma once

#include "rushlight/kernels/conv2d/columns.h"
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

#define RUSHLIGHT_DECLARE_COLUMNS(level)           \
  namespace rushlight::kernels::level {            \
  void take_taps_f32(const TapColumns<float>& x);  \
  void take_taps_f64(const TapColumns<double>& x); \
  void add_taps_f32(const TapColumns<float>& x);   \
  void add_taps_f64(const TapColumns<double>& x);  \
  }
RUSHLIGHT_DECLARE_COLUMNS(generic)
RUSHLIGHT_DECLARE_COLUMNS(avx2)
RUSHLIGHT_DECLARE_COLUMNS(avx512)
#undef RUSHLIGHT_DECLARE_COLUMNS

// Declares what each level's file defines.
#pragma once

#include "rushlight/kernels/gemm/gemm.h"

#define RUSHLIGHT_DECLARE_GEMM(level, type, name)   \
  namespace rushlight::kernels::level {             \
  void gemm_block_##name(const GemmBlock<type>& x); \
  void gemm_dots_##name(const GemmDots<type>& x);   \
  void gemm_pack_##name(const GemmPanel<type>& x);  \
  }
#define RUSHLIGHT_GEMM_F32(level, ...) RUSHLIGHT_DECLARE_GEMM(level, float, f32)
#define RUSHLIGHT_GEMM_F64(level, ...) RUSHLIGHT_DECLARE_GEMM(level, double, f64)
#define RUSHLIGHT_GEMM_SPLIT(...)
#include "rushlight/kernels/gemm/kernels.inc"
#undef RUSHLIGHT_GEMM_F32
#undef RUSHLIGHT_GEMM_F64
#undef RUSHLIGHT_GEMM_SPLIT

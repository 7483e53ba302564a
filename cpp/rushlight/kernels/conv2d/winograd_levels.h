// Declares what each level's file defines.
#pragma once

#include "rushlight/kernels/conv2d/winograd_steps.h"

#define RUSHLIGHT_DECLARE_WINOGRAD(level)                                            \
  namespace rushlight::kernels::level {                                              \
  bool winograd_source(const WinogradTiles& x);                                      \
  bool winograd_grad(const WinogradTiles& x);                                        \
  void winograd_result(const WinogradResults& x);                                    \
  bool winograd_weight(const float* taps, int64_t count, float* dst, int64_t plane); \
  void winograd_grad_weight(float* sums, int64_t count);                             \
  }
RUSHLIGHT_DECLARE_WINOGRAD(generic)
RUSHLIGHT_DECLARE_WINOGRAD(avx2)
RUSHLIGHT_DECLARE_WINOGRAD(avx512)
#undef RUSHLIGHT_DECLARE_WINOGRAD

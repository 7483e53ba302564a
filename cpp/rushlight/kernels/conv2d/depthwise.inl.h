// Rows of depthwise convolutions, for any level (see Note [ISA translation units]).
#pragma once

#include "rushlight/kernels/conv2d/depthwise_rows.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

template <class T>
inline void depthwise_row(const DepthwiseRow<T>& x) {
  for (int64_t c = 0; c < x.channels; c += Vec<T>::kLanes) {
    const int64_t n = x.channels - c;
    for (int64_t i = 0; i < x.width; ++i) {
      Vec<T> sum(T(0));
      if (x.epilogue.bias != nullptr) sum = load_n(x.epilogue.bias + c, n);
      for (int64_t t = 0; t < x.taps; ++t)
        sum = fma(load_n(x.src[t] + i * x.src_step + c, n), load_n(x.weight + t * x.channels + c, n), sum);
      if (x.epilogue.residual != nullptr) sum = sum + load_n(x.epilogue.residual + i * x.dst_step + c, n);
      if (x.epilogue.relu) sum = max(Vec<T>(T(0)), sum);  // keeps NaN
      store_n(x.dst + i * x.dst_step + c, sum, n);
    }
  }
}

template <class T>
inline void depthwise_grad_row(const DepthwiseGradRow<T>& x) {
  for (int64_t c = 0; c < x.channels; c += Vec<T>::kLanes) {
    const int64_t n = x.channels - c;
    for (int64_t t = 0; t < x.taps; ++t) {
      Vec<T> sum(T(0));
      for (int64_t i = 0; i < x.width; ++i)
        sum = fma(load_n(x.src[t] + i * x.src_step + c, n), load_n(x.grad + i * x.grad_step + c, n), sum);
      T* out = x.grad_weight + t * x.channels + c;
      store_n(out, load_n(out, n) + sum, n);
    }
  }
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

// Depthwise convolutions (one input and one output channel a group): no sums over channels, so the channels
// are the lanes.
#pragma once

#include "rushlight/kernels/conv2d/job.h"

namespace rushlight::kernels {

template <class T>
bool is_depthwise(const ConvJob<T>& job) {
  return job.groups > 1 && job.channels == 1 && job.outputs == 1;
}
inline bool is_depthwise(const Conv2dParams& p) {
  return p.groups > 1 && p.group_in() == 1 && p.group_out() == 1;
}

template <class T>
void run_depthwise(const ConvJob<T>& job);
template <class T>
void depthwise_grad_weight(const Conv2dParams& params, ImageView<const T> src, ImageView<const T> grad_dst,
                           T* grad_weight);

}  // namespace rushlight::kernels

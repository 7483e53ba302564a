#include "rushlight/kernels/nll/nll.h"

#include <algorithm>
#include <type_traits>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"

namespace rushlight::kernels {
namespace {

template <class T>
double value(T x) {
  if constexpr (sizeof(T) == 2)
    return static_cast<double>(static_cast<float>(x));
  else
    return static_cast<double>(x);
}
template <class T>
T rounded(double x) {
  if constexpr (sizeof(T) == 2)
    return T(static_cast<float>(x));
  else
    return static_cast<T>(x);
}

// Calls visit(position in (batch, spatial), offset of the chosen class, weight) where the target is not
// ignored.
template <class T, class Visit>
void for_each_target(const NllParams& params, Visit&& visit) {
  const T* weight = static_cast<const T*>(params.weight);
  for (int64_t n = 0; n < params.batch; ++n)
    for (int64_t s = 0; s < params.spatial; ++s) {
      const int64_t at = n * params.spatial + s;
      const int64_t target = params.target[at];
      if (target == params.ignore_index) continue;
      visit(at, (n * params.classes + target) * params.spatial + s,
            weight != nullptr ? value(weight[target]) : 1.0);
    }
}

}  // namespace

NllSums nll(const NllParams& params, const void* log_probs, void* losses) {
  NllSums sums{0.0, 0.0};
  dispatch_floating(params.dtype, "nll", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = static_cast<const T*>(log_probs);
    T* to = static_cast<T*>(losses);
    if (to != nullptr) std::fill_n(to, params.batch * params.spatial, T(0.0f));
    for_each_target<T>(params, [&](int64_t at, int64_t chosen, double weight) {
      const double loss = -weight * value(from[chosen]);
      if (to != nullptr) to[at] = rounded<T>(loss);
      sums.loss += loss;
      sums.weight += weight;
    });
  });
  return sums;
}

void nll_backward(const NllParams& params, const void* grad, bool single, double divisor,
                  void* grad_log_probs) {
  dispatch_floating(params.dtype, "nll", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = static_cast<const T*>(grad);
    T* to = static_cast<T*>(grad_log_probs);
    std::fill_n(to, params.batch * params.classes * params.spatial, T(0.0f));
    for_each_target<T>(params, [&](int64_t at, int64_t chosen, double weight) {
      to[chosen] = rounded<T>(-weight * value(from[single ? 0 : at]) / divisor);
    });
  });
}

}  // namespace rushlight::kernels

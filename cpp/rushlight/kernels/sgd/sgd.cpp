#include "rushlight/kernels/sgd/sgd.h"

#include <algorithm>
#include <vector>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/isa.h"

namespace rushlight::kernels {
namespace generic {
void sgd_f32(const SgdParams& params, float* param, const float* grad, float* buffer, int64_t n);
void sgd_f64(const SgdParams& params, double* param, const double* grad, double* buffer, int64_t n);
}  // namespace generic
namespace avx2 {
void sgd_f32(const SgdParams& params, float* param, const float* grad, float* buffer, int64_t n);
void sgd_f64(const SgdParams& params, double* param, const double* grad, double* buffer, int64_t n);
}  // namespace avx2
namespace avx512 {
void sgd_f32(const SgdParams& params, float* param, const float* grad, float* buffer, int64_t n);
void sgd_f64(const SgdParams& params, double* param, const double* grad, double* buffer, int64_t n);
}  // namespace avx512
namespace {

constexpr int64_t kGrain = 32768;

template <class T>
using Step = void (*)(const SgdParams&, T*, const T*, T*, int64_t);

// The items as one long run of elements, cut without regard to where one ends: a network has many tiny ones.
template <class T>
void run(Step<T> step, const SgdParams& params, const SgdItem* items, int64_t count) {
  std::vector<int64_t> ends(static_cast<size_t>(count));
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) ends[static_cast<size_t>(i)] = total += items[i].n;
  HeavyWork scope(total);
  const FlushDenormals flush;
  parallel_for(total, kGrain, [&](int64_t begin, int64_t end) {
    auto at = std::upper_bound(ends.begin(), ends.end(), begin) - ends.begin();
    for (; begin < end; ++at) {
      const SgdItem& item = items[at];
      const int64_t offset = begin - (ends[static_cast<size_t>(at)] - item.n);
      const int64_t n = std::min(end - begin, item.n - offset);
      T* const buffer = item.buffer != nullptr ? static_cast<T*>(item.buffer) + offset : nullptr;
      step(params, static_cast<T*>(item.param) + offset, static_cast<const T*>(item.grad) + offset, buffer,
           n);
      begin += n;
    }
  });
}

}  // namespace

void sgd_step(DType dtype, const SgdParams& params, const SgdItem* items, int64_t count) {
  if (dtype == DType::Float32) {
    const PerIsa<Step<float>> steps{&generic::sgd_f32, RUSHLIGHT_AVX2(&avx2::sgd_f32),
                                    RUSHLIGHT_AVX512(&avx512::sgd_f32)};
    return run(steps.at(active_isa()), params, items, count);
  }
  RUSHLIGHT_INTERNAL_ASSERT(dtype == DType::Float64, "sgd_step of ", dtype_name(dtype));
  const PerIsa<Step<double>> steps{&generic::sgd_f64, RUSHLIGHT_AVX2(&avx2::sgd_f64),
                                   RUSHLIGHT_AVX512(&avx512::sgd_f64)};
  run(steps.at(active_isa()), params, items, count);
}

}  // namespace rushlight::kernels

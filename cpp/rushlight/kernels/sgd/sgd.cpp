#include "rushlight/kernels/sgd/sgd.h"

#include <algorithm>

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

template <class T>
void run(Step<T> step, const SgdParams& params, T* param, const T* grad, T* buffer, int64_t n) {
  HeavyWork scope(n);
  const FlushDenormals flush;
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    step(params, param + begin, grad + begin, buffer != nullptr ? buffer + begin : nullptr, end - begin);
  });
}

}  // namespace

void sgd_step(DType dtype, const SgdParams& params, void* param, const void* grad, void* buffer, int64_t n) {
  if (dtype == DType::Float32) {
    const PerIsa<Step<float>> steps{&generic::sgd_f32, RUSHLIGHT_AVX2(&avx2::sgd_f32),
                                    RUSHLIGHT_AVX512(&avx512::sgd_f32)};
    return run(steps.at(active_isa()), params, static_cast<float*>(param), static_cast<const float*>(grad),
               static_cast<float*>(buffer), n);
  }
  RUSHLIGHT_INTERNAL_ASSERT(dtype == DType::Float64, "sgd_step of ", dtype_name(dtype));
  const PerIsa<Step<double>> steps{&generic::sgd_f64, RUSHLIGHT_AVX2(&avx2::sgd_f64),
                                   RUSHLIGHT_AVX512(&avx512::sgd_f64)};
  run(steps.at(active_isa()), params, static_cast<double*>(param), static_cast<const double*>(grad),
      static_cast<double*>(buffer), n);
}

}  // namespace rushlight::kernels

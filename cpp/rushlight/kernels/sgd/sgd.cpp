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
void sgd_bf16(const SgdParams& params, uint16_t* param, const uint16_t* grad, uint16_t* buffer, int64_t n);
void sgd_factors(const SgdParams& params, float* param, const OuterSum& grad, float* buffer, int64_t first,
                 int64_t end);
}  // namespace generic
namespace avx2 {
void sgd_f32(const SgdParams& params, float* param, const float* grad, float* buffer, int64_t n);
void sgd_f64(const SgdParams& params, double* param, const double* grad, double* buffer, int64_t n);
void sgd_bf16(const SgdParams& params, uint16_t* param, const uint16_t* grad, uint16_t* buffer, int64_t n);
void sgd_factors(const SgdParams& params, float* param, const OuterSum& grad, float* buffer, int64_t first,
                 int64_t end);
}  // namespace avx2
namespace avx512 {
void sgd_f32(const SgdParams& params, float* param, const float* grad, float* buffer, int64_t n);
void sgd_f64(const SgdParams& params, double* param, const double* grad, double* buffer, int64_t n);
void sgd_bf16(const SgdParams& params, uint16_t* param, const uint16_t* grad, uint16_t* buffer, int64_t n);
void sgd_factors(const SgdParams& params, float* param, const OuterSum& grad, float* buffer, int64_t first,
                 int64_t end);
}  // namespace avx512
namespace {

constexpr int64_t kGrain = 32768;

constexpr auto kFactors = RUSHLIGHT_PER_ISA(sgd_factors);

template <class T>
using Step = void (*)(const SgdParams&, T*, const T*, T*, int64_t);

// Elements [first, end) of an item whose gradient is given as factors: the rows that begin there, in fours.
void step_factors(const SgdParams& params, const SgdItem& item, int64_t first, int64_t end) {
  const OuterSum& grad = item.factors;
  const auto row = [&](int64_t at) {
    return std::min((at + 4 * grad.columns - 1) / (4 * grad.columns) * 4, grad.rows);
  };
  kFactors.at(active_isa())(params, static_cast<float*>(item.param), grad, static_cast<float*>(item.buffer),
                            row(first), row(end));
}

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
      begin += n;
      if (item.grad == nullptr) {
        step_factors(params, item, offset, offset + n);
        continue;
      }
      T* const buffer = item.buffer != nullptr ? static_cast<T*>(item.buffer) + offset : nullptr;
      step(params, static_cast<T*>(item.param) + offset, static_cast<const T*>(item.grad) + offset, buffer,
           n);
    }
  });
}

}  // namespace

#define RUSHLIGHT_SGD(T, name)                                                 \
  run(PerIsa<Step<T>>{&generic::sgd_##name, RUSHLIGHT_AVX2(&avx2::sgd_##name), \
                      RUSHLIGHT_AVX512(&avx512::sgd_##name)}                   \
          .at(active_isa()),                                                   \
      params, items, count)

void sgd_step(DType dtype, const SgdParams& params, const SgdItem* items, int64_t count) {
  if (dtype == DType::Float32) return RUSHLIGHT_SGD(float, f32);
  if (dtype == DType::BFloat16) return RUSHLIGHT_SGD(uint16_t, bf16);
  RUSHLIGHT_INTERNAL_ASSERT(dtype == DType::Float64, "sgd_step of ", dtype_name(dtype));
  RUSHLIGHT_SGD(double, f64);
}

}  // namespace rushlight::kernels

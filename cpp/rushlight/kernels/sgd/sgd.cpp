#include "rushlight/kernels/sgd/sgd.h"

#include <algorithm>
#include <type_traits>

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

// Share `part` of `parts` of an item, in whole cache lines, or in fours of rows if its gradient is given as
// factors.
template <class T>
void step_part(Step<T> step, const SgdParams& params, const SgdItem& item, int64_t part, int64_t parts) {
  const int64_t unit = item.grad == nullptr ? 4 * item.factors.columns : 64;
  const int64_t units = (item.n + unit - 1) / unit;
  const int64_t first = units * part / parts * unit,
                end = std::min(units * (part + 1) / parts * unit, item.n);
  if (first >= end) return;
  T* const param = static_cast<T*>(item.param);
  T* const buffer = static_cast<T*>(item.buffer);
  if (item.grad != nullptr)
    return step(params, param + first, static_cast<const T*>(item.grad) + first,
                buffer != nullptr ? buffer + first : nullptr, end - first);
  if constexpr (std::is_same_v<T, float>)
    kFactors.at(active_isa())(params, param, item.factors, buffer, first / item.factors.columns,
                              end / item.factors.columns);
}

// Every thread takes its share of every item: some take longer than others of their size, and convolutions
// read weights shared out the same way. No element depends on where they are cut.
template <class T>
void run(Step<T> step, const SgdParams& params, const SgdItem* items, int64_t count) {
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) total += items[i].n;
  HeavyWork scope(total);
  const FlushDenormals flush;
  const int64_t parts = std::clamp<int64_t>(total / kGrain, 1, num_threads());
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part)
      for (int64_t i = 0; i < count; ++i) step_part(step, params, items[i], part, parts);
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

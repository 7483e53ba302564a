// Integer products: plain loops, arithmetic modulo 2^bits as in NumPy and PyTorch.
#include <algorithm>
#include <type_traits>

#include "rushlight/base/parallel.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

// Unsigned, so that overflow is defined; at least 32 bits, so that nothing is promoted to int.
template <class T>
using Modular = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
void integer_row(const GemmArgs<T>& x, const T* a, const T* b, T* c) {
  for (int64_t j = 0; j < x.n; ++j) {
    Modular<T> sum = x.accumulate ? static_cast<Modular<T>>(c[j * x.c_col]) : 0;
    for (int64_t p = 0; p < x.k; ++p)
      sum += static_cast<Modular<T>>(a[p * x.a_col]) * static_cast<Modular<T>>(b[p * x.b_row + j * x.b_col]);
    if (x.bias != nullptr) sum += static_cast<Modular<T>>(x.bias[j]);
    c[j * x.c_col] = static_cast<T>(sum);
  }
}

template <class T>
void integer_gemm(const GemmArgs<T>& x) {
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, x.n * x.k));
  parallel_for(x.batch * x.m, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t batch = row / x.m;
      const int64_t i = row % x.m;
      integer_row(x, x.a + batch * x.a_batch + i * x.a_row, x.b + batch * x.b_batch,
                  x.c + batch * x.c_batch + i * x.c_row);
    }
  });
}

}  // namespace

template <>
void gemm<int64_t>(const GemmArgs<int64_t>& args) {
  integer_gemm(args);
}
template <>
void gemm<int32_t>(const GemmArgs<int32_t>& args) {
  integer_gemm(args);
}
template <>
void gemm<int16_t>(const GemmArgs<int16_t>& args) {
  integer_gemm(args);
}
template <>
void gemm<int8_t>(const GemmArgs<int8_t>& args) {
  integer_gemm(args);
}
template <>
void gemm<uint8_t>(const GemmArgs<uint8_t>& args) {
  integer_gemm(args);
}

}  // namespace rushlight::kernels

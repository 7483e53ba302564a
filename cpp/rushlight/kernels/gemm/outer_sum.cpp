#include "rushlight/kernels/gemm/outer_sum.h"

#include <algorithm>

#include "rushlight/base/parallel.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kChain = 16;     // terms: longer sums are less exact than PyTorch's
constexpr int64_t kLeast = 32768;  // numbers of a matrix that is worth the trouble
constexpr int64_t kPieces = 8;

}  // namespace

template <class T>
void multiply_outer(int64_t terms, const T* left, int64_t rows, const T* right, int64_t width, int64_t apart,
                    T* out, int64_t pitch) {
  const GemmKernel<T>& kernel = select_gemm<T>(active_isa());
  const int64_t together = even_rows(rows, kernel.mr);
  for (int64_t o = 0; o < rows; o += together)
    for (int64_t t = 0; t < terms; t += kChain) {
      const T* a = left + t * rows + o;
      kernel.block({std::min(together, rows - o), width, std::min(kChain, terms - t), together, 1, &a, 0,
                    rows, right + t * apart, kernel.nr, apart, 0, out + o * pitch, pitch, t > 0, nullptr});
    }
}

bool outer_sum_pays(int64_t rows, int64_t columns, int64_t terms) {
  return terms > 0 && terms <= kChain && rows * columns >= kLeast &&
         4 * terms * (rows + columns) <= rows * columns;
}

void outer_sum(const OuterSum& x, float* out) {
  const FlushDenormals flush;
  const int64_t lanes = select_gemm<float>(active_isa()).nr;
  const int64_t grain = (x.columns / kPieces + lanes) / lanes * lanes;
  parallel_for(x.columns, grain, [&](int64_t first, int64_t end) {
    multiply_outer(x.terms, x.left, x.rows, x.right + first, end - first, x.columns, out + first, x.columns);
  });
}

template void multiply_outer<float>(int64_t, const float*, int64_t, const float*, int64_t, int64_t, float*,
                                    int64_t);
template void multiply_outer<double>(int64_t, const double*, int64_t, const double*, int64_t, int64_t,
                                     double*, int64_t);

}  // namespace rushlight::kernels

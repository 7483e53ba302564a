#include "rushlight/kernels/conv2d/depthwise.h"

#include <algorithm>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/kernels/conv2d/depthwise_levels.h"
#include "rushlight/kernels/conv2d/source.h"

namespace rushlight::kernels {
namespace {

// The kernels for T at the level in use.
template <class T>
struct Rows;
template <>
struct Rows<float> {
  static constexpr PerIsa<void (*)(const DepthwiseRow<float>&)> kForward{
      generic::depthwise_f32, RUSHLIGHT_AVX2(avx2::depthwise_f32), RUSHLIGHT_AVX512(avx512::depthwise_f32),
      nullptr};
  static constexpr PerIsa<void (*)(const DepthwiseGradRow<float>&)> kGrad{
      generic::depthwise_grad_f32, RUSHLIGHT_AVX2(avx2::depthwise_grad_f32),
      RUSHLIGHT_AVX512(avx512::depthwise_grad_f32), nullptr};
};
template <>
struct Rows<double> {
  static constexpr PerIsa<void (*)(const DepthwiseRow<double>&)> kForward{
      generic::depthwise_f64, RUSHLIGHT_AVX2(avx2::depthwise_f64), RUSHLIGHT_AVX512(avx512::depthwise_f64),
      nullptr};
  static constexpr PerIsa<void (*)(const DepthwiseGradRow<double>&)> kGrad{
      generic::depthwise_grad_f64, RUSHLIGHT_AVX2(avx2::depthwise_grad_f64),
      RUSHLIGHT_AVX512(avx512::depthwise_grad_f64), nullptr};
};

constexpr int64_t kPieceWork = 1 << 16;  // multiply-adds worth a piece of their own
constexpr int64_t kGradPieces = 16;      // of the rows, each with a sum of its own

// The padded source rows that one row of results reads, and where each tap starts in them.
template <class T>
class TapRows {
 public:
  TapRows(const ConvJob<T>& job, int64_t first_col, int64_t cols)
      : job_(job),
        first_col_(first_col),
        cols_(cols),
        rows_(static_cast<int64_t>(job.taps.size()) * cols * job.groups),
        starts_(static_cast<int64_t>(job.taps.size())) {}

  const T* const* fill(int64_t image, int64_t row) {
    T* free = rows_.data();
    for (size_t t = 0; t < job_.taps.size(); ++t) {
      const Tap& tap = job_.taps[t];
      const bool same_row = t > 0 && tap.row == job_.taps[t - 1].row;
      if (!same_row) {
        copy_source_row(job_.src, job_.src_h, job_.src_w, job_.groups, image, row * job_.step_h + tap.row,
                        first_col_, cols_, job_.groups, free);
        current_ = free;
        free += cols_ * job_.groups;
      }
      starts_[static_cast<int64_t>(t)] = current_ + (tap.col - first_col_) * job_.groups;
    }
    return starts_.data();
  }

 private:
  const ConvJob<T>& job_;
  const int64_t first_col_, cols_;
  const T* current_ = nullptr;
  Scratch<T> rows_;
  Scratch<const T*> starts_;
};

// First and one past the last source column of a row of results.
template <class T>
void column_range(const ConvJob<T>& job, int64_t* first, int64_t* cols) {
  *first = 0;
  int64_t last = 0;
  for (size_t t = 0; t < job.taps.size(); ++t) {
    *first = t == 0 ? job.taps[t].col : std::min(*first, job.taps[t].col);
    last = t == 0 ? job.taps[t].col : std::max(last, job.taps[t].col);
  }
  *cols = (job.out_w - 1) * job.step_w + last - *first + 1;
}

}  // namespace

template <class T>
void run_depthwise(const ConvJob<T>& job) {
  const auto taps = static_cast<int64_t>(job.taps.size());
  Scratch<T> weight(taps * job.groups);
  for (int64_t t = 0; t < taps; ++t)
    for (int64_t c = 0; c < job.groups; ++c)
      weight[t * job.groups + c] = job.weight[c * job.weight_group + job.taps[static_cast<size_t>(t)].weight];
  int64_t first_col = 0, cols = 0;
  column_range(job, &first_col, &cols);
  const auto kernel = Rows<T>::kForward.at(active_isa());
  const int64_t grain = std::max<int64_t>(1, kPieceWork / (job.out_w * job.groups * (taps + 1)));
  parallel_for(job.images * job.out_h, grain, [&](int64_t begin, int64_t end) {
    TapRows<T> rows(job, first_col, cols);
    for (int64_t r = begin; r < end; ++r) {
      const int64_t image = r / job.out_h, row = r % job.out_h;
      const int64_t place = image * job.dst.image + row * job.dst.row;
      ConvEpilogue<T> epilogue = job.epilogue;
      if (epilogue.residual != nullptr) epilogue.residual += place;
      kernel({job.out_w, job.groups, taps, rows.fill(image, row), job.step_w * job.groups, weight.data(),
              epilogue, job.dst.data + place, job.dst.col});
    }
  });
}

template <class T>
void depthwise_grad_weight(const Conv2dParams& p, ImageView<const T> src, ImageView<const T> grad_dst,
                           T* grad_weight) {
  ConvJob<T> job{src,     p.in_h, p.in_w, 1, p.images, p.groups, p.stride_h, p.stride_w, {},
                 nullptr, 0,      0,      0, {},       {},       p.out_h(),  p.out_w(),  1};
  for (int64_t i = 0; i < p.kernel_h; ++i)
    for (int64_t j = 0; j < p.kernel_w; ++j)
      job.taps.push_back({i * p.dilation_h - p.pad_h, j * p.dilation_w - p.pad_w, 0});
  int64_t first_col = 0, cols = 0;
  column_range(job, &first_col, &cols);
  const auto kernel = Rows<T>::kGrad.at(active_isa());
  const int64_t total = p.images * job.out_h, size = p.taps() * p.groups;
  const int64_t grain = (total + kGradPieces - 1) / kGradPieces;
  const int64_t pieces = (total + grain - 1) / grain;
  Scratch<T> sums(pieces * size);
  std::fill_n(sums.data(), pieces * size, T(0));
  parallel_for(total, grain, [&](int64_t begin, int64_t end) {
    TapRows<T> rows(job, first_col, cols);
    Scratch<T> grad(job.out_w * p.groups);
    for (int64_t r = begin; r < end; ++r) {
      const int64_t image = r / job.out_h, row = r % job.out_h;
      copy_source_row(grad_dst, job.out_h, job.out_w, p.groups, image, row, 0, job.out_w, p.groups,
                      grad.data());
      kernel({job.out_w, p.groups, p.taps(), rows.fill(image, row), p.stride_w * p.groups, grad.data(),
              p.groups, &sums[begin / grain * size]});
    }
  });
  for (int64_t c = 0; c < p.groups; ++c)
    for (int64_t t = 0; t < p.taps(); ++t) {
      T sum = sums[t * p.groups + c];
      for (int64_t i = 1; i < pieces; ++i) sum += sums[i * size + t * p.groups + c];
      grad_weight[c * p.taps() + t] = sum;
    }
}

#define RUSHLIGHT_INSTANTIATE(T)                     \
  template void run_depthwise<T>(const ConvJob<T>&); \
  template void depthwise_grad_weight<T>(const Conv2dParams&, ImageView<const T>, ImageView<const T>, T*);
RUSHLIGHT_INSTANTIATE(float)
RUSHLIGHT_INSTANTIATE(double)

}  // namespace rushlight::kernels

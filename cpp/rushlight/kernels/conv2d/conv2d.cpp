#include "rushlight/kernels/conv2d/conv2d.h"

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <vector>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/base/trace.h"
#include "rushlight/kernels/conv2d/conv2d_levels.h"
#include "rushlight/kernels/conv2d/depthwise.h"
#include "rushlight/kernels/conv2d/live_taps.h"
#include "rushlight/kernels/conv2d/skinny.h"
#include "rushlight/kernels/conv2d/skinny_bf16.h"
#include "rushlight/kernels/conv2d/split.h"
#include "rushlight/kernels/conv2d/task.h"
#include "rushlight/kernels/conv2d/weights.h"
#include "rushlight/kernels/conv2d/winograd.h"
#include "rushlight/kernels/conv2d/winograd_tiles.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kChain = 64;  // see ConvBlock

// clang-format off
#define RUSHLIGHT_CONV_ROW(level, LEVEL, isa, type, split, groups, length, outputs, multiple) \
  {"conv2d_" #type "_" #groups "x" #length "x" #outputs "_" #level, Isa::isa, groups, length, outputs, multiple, \
   LEVEL(&level::conv2d_##type##_##groups##x##length), split},
// clang-format on

const ConvKernel<float> kRowsF32[] = {
#define RUSHLIGHT_CONV_SPLIT(level, LEVEL, isa, ...) \
  RUSHLIGHT_CONV_ROW(level, LEVEL, isa, f32, true, __VA_ARGS__)
#define RUSHLIGHT_CONV_F32(level, LEVEL, isa, ...) \
  RUSHLIGHT_CONV_ROW(level, LEVEL, isa, f32, false, __VA_ARGS__)
#define RUSHLIGHT_CONV_F64(...)
#include "rushlight/kernels/conv2d/kernels.inc"
#undef RUSHLIGHT_CONV_SPLIT
#undef RUSHLIGHT_CONV_F32
#undef RUSHLIGHT_CONV_F64
};

const ConvKernel<double> kRowsF64[] = {
#define RUSHLIGHT_CONV_SPLIT(...)
#define RUSHLIGHT_CONV_F32(...)
#define RUSHLIGHT_CONV_F64(level, LEVEL, isa, ...) \
  RUSHLIGHT_CONV_ROW(level, LEVEL, isa, f64, false, __VA_ARGS__)
#include "rushlight/kernels/conv2d/kernels.inc"
#undef RUSHLIGHT_CONV_SPLIT
#undef RUSHLIGHT_CONV_F32
#undef RUSHLIGHT_CONV_F64
};

template <class T>
void run_task(const ConvJob<T>& job, const ConvPlan<T>& plan, const ConvKernel<T>& kernel, int64_t group,
              ConvTask<T>& task, const PlainWeights<T>& weights, int64_t first_block, int64_t last_block) {
  for (int64_t block = first_block; block < last_block; ++block) {
    const int64_t output = block * kernel.outputs;
    ConvEpilogue<T> epilogue = job.epilogue;
    if (epilogue.bias != nullptr) epilogue.bias += group * job.outputs + output;
    kernel.block({task.tiles(), task.src(), task.dst(), static_cast<int64_t>(plan.tap_offset.size()),
                  plan.tap_offset.data(), plan.channels, kChain, job.step_w * plan.pitch, job.dst.col,
                  group * job.outputs + output, weights.panel(group * plan.output_blocks + block),
                  std::min(kernel.outputs, job.outputs - output), epilogue, job.dst.data});
  }
}

// A single tap that stays inside the source reads every step-th pixel only: a dense source with wider
// strides.
template <class T>
ConvJob<T> dense(ConvJob<T> job) {
  if (job.taps.size() != 1) return job;
  const Tap tap = job.taps[0];
  if (tap.row < 0 || tap.col < 0 || tap.row + (job.out_h - 1) * job.step_h >= job.src_h ||
      tap.col + (job.out_w - 1) * job.step_w >= job.src_w)
    return job;
  job.src.data += tap.row * job.src.row + tap.col * job.src.col;
  job.src.row *= job.step_h, job.src.col *= job.step_w;
  job.src_h = job.out_h, job.src_w = job.out_w;
  job.step_h = job.step_w = 1;
  job.taps[0].row = job.taps[0].col = 0;
  return job;
}

template <class T>
void run_job(const ConvKernel<T>& kernel, const ConvJob<T>& job) {
  const int64_t total = job.images * job.out_h;
  if (total == 0 || job.out_w == 0 || job.outputs == 0) return;
  if (is_depthwise(job)) return run_depthwise(job);
  if constexpr (std::is_same_v<T, float>) {
    if (kernel.split) {
      const bool fits = split_conv_fits(job);
      if (fits && run_split_conv(job)) return;
      trace::note_refused(fits ? kNotSplit : "tiles: too few channels or pixels");
    } else if (winograd_fits(job)) {
      // Register tiles of whole runs, whatever the width of the images.
      if (run_winograd(job, select_conv2d<float>(kernel.isa, 14))) return;
      trace::note_refused("winograd: values beyond 2^50");
    }
  }
  trace::note_kernel(kernel.name);
  const ConvPlan<T> plan(job, kernel.groups, kernel.length, kernel.outputs);
  const std::shared_ptr<const PlainWeights<T>> weights = PlainWeights<T>::of(job, kernel);
  const int64_t splits = ceil_div(plan.output_blocks, plan.blocks_per_task);
  parallel_for(job.groups * plan.row_blocks * splits, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / splits / plan.row_blocks;
      const int64_t row = i / splits % plan.row_blocks * plan.rows;
      const int64_t block = i % splits * plan.blocks_per_task;
      ConvTask<T> task(job, plan, kernel.groups, kernel.length, group, row, std::min(plan.rows, total - row));
      run_task(job, plan, kernel, group, task, *weights, block,
               std::min(block + plan.blocks_per_task, plan.output_blocks));
    }
  });
}

// Whether tiles serve jobs on one source best at once.
template <class T>
bool fit_together(const ConvKernel<T>& kernel, const std::vector<ConvJob<T>>& jobs) {
  if constexpr (std::is_same_v<T, float>)
    return kernel.split && !is_depthwise(jobs[0]) && split_batch_fits(jobs);
  return false;
}

// Winograd's way on tiles, or jobs on one source at once, where they fit.
template <class T>
bool run_together(const ConvKernel<T>& kernel, const std::vector<ConvJob<T>>& jobs) {
  if constexpr (std::is_same_v<T, float>) {
    if (kernel.split && jobs.size() == 1 && winograd_tiles_fit(jobs[0])) {
      if (run_winograd_tiles(jobs[0])) return true;
      trace::note_refused("winograd: values beyond 2^50");
    }
    return fit_together(kernel, jobs) && run_split_batch(jobs);
  }
  return false;
}

// Rows (or columns) of the gradient at residue r modulo the stride receive the taps k with
// (r + pad - k * dilation) divisible by the stride, from row i + that quotient. Ascending.
struct Phase {
  std::vector<int64_t> tap, offset;
  Phase(int64_t r, int64_t pad, const LiveTaps& live, int64_t dilation, int64_t stride) {
    for (int64_t k = live.first + live.count - 1; k >= live.first; --k)
      if ((r + pad - k * dilation) % stride == 0) {
        tap.push_back(k);
        offset.push_back((r + pad - k * dilation) / stride);
      }
  }
};

template <class T>
ConvJob<T> forward_job(const Conv2dParams& p, ImageView<const T> src, const Wide<T>* weight,
                       const ConvEpilogue<T>& epilogue, T* dst, KeptWeights* kept) {
  ConvJob<T> job{src,
                 p.in_h,
                 p.in_w,
                 p.group_in(),
                 p.images,
                 p.groups,
                 p.stride_h,
                 p.stride_w,
                 {},
                 weight,
                 p.group_out() * p.group_in() * p.taps(),
                 p.group_in() * p.taps(),
                 p.taps(),
                 epilogue,
                 channels_last(dst, p.out_h(), p.out_w(), p.out_channels),
                 p.out_h(),
                 p.out_w(),
                 p.group_out(),
                 kept};
  const LiveTaps rows = live_rows(p), cols = live_cols(p);
  for (int64_t i = rows.first; i < rows.first + rows.count; ++i)
    for (int64_t j = cols.first; j < cols.first + cols.count; ++j)
      job.taps.push_back({i * p.dilation_h - p.pad_h, j * p.dilation_w - p.pad_w, i * p.kernel_w + j});
  return dense(job);
}

// One for every residue of the pixel position modulo the stride.
template <class T>
std::vector<ConvJob<T>> grad_src_jobs(const Conv2dParams& p, ImageView<const T> grad_dst,
                                      const Wide<T>* weight, T* grad_src) {
  const ImageView<T> whole = channels_last(grad_src, p.in_h, p.in_w, p.in_channels);
  std::vector<ConvJob<T>> jobs;
  for (int64_t r = 0; r < std::min(p.stride_h, p.in_h); ++r)
    for (int64_t s = 0; s < std::min(p.stride_w, p.in_w); ++s) {
      const Phase rows(r, p.pad_h, live_rows(p), p.dilation_h, p.stride_h);
      const Phase cols(s, p.pad_w, live_cols(p), p.dilation_w, p.stride_w);
      ConvJob<T> job{grad_dst,
                     p.out_h(),
                     p.out_w(),
                     p.group_out(),
                     p.images,
                     p.groups,
                     1,
                     1,
                     {},
                     weight,
                     p.group_out() * p.group_in() * p.taps(),
                     p.taps(),
                     p.group_in() * p.taps(),
                     {},
                     {whole.data + r * whole.row + s * whole.col, whole.image, p.stride_h * whole.row,
                      p.stride_w * whole.col, 1},
                     ceil_div(p.in_h - r, p.stride_h),
                     ceil_div(p.in_w - s, p.stride_w),
                     p.group_in()};
      for (size_t i = 0; i < rows.tap.size(); ++i)
        for (size_t j = 0; j < cols.tap.size(); ++j)
          job.taps.push_back({rows.offset[i], cols.offset[j], rows.tap[i] * p.kernel_w + cols.tap[j]});
      jobs.push_back(job);
    }
  return jobs;
}

// What no tap reaches.
void clear(const ConvJob<uint16_t>& job) {
  for (int64_t n = 0; n < job.images; ++n)
    for (int64_t i = 0; i < job.out_h; ++i)
      for (int64_t j = 0; j < job.out_w; ++j)
        std::fill_n(job.dst.data + n * job.dst.image + i * job.dst.row + j * job.dst.col,
                    job.groups * job.outputs, uint16_t{0});
}

bool run_each(const std::vector<ConvJob<uint16_t>>& jobs) {
  for (const ConvJob<uint16_t>& job : jobs) {
    if (job.taps.empty())
      clear(job);
    else if (!run_split_conv(job))
      return false;
  }
  return true;
}

bool run_bf16(const Conv2dParams& p, const std::vector<ConvJob<uint16_t>>& jobs) {
  if (p.work() == 0 || jobs.empty() || is_depthwise(jobs[0])) return false;
  const bool together = split_batch_fits(jobs);
  const auto fits = [](const ConvJob<uint16_t>& job) { return job.taps.empty() || split_conv_fits(job); };
  if (!together && !std::all_of(jobs.begin(), jobs.end(), fits)) {
    trace::note_refused("bfloat16 tiles: too few channels or pixels");
    return false;
  }
  const FlushDenormals flush;
  if (!(together ? run_split_batch(jobs) : run_each(jobs))) {
    trace::note_refused(kNotFinite);
    return false;
  }
  trace::note_flop(2.0 * static_cast<double>(p.work()));
  return true;
}

}  // namespace

template <>
const ConvKernel<float>* conv2d_kernels<float>(int* count) {
  *count = static_cast<int>(std::size(kRowsF32));
  return kRowsF32;
}
template <>
const ConvKernel<double>* conv2d_kernels<double>(int* count) {
  *count = static_cast<int>(std::size(kRowsF64));
  return kRowsF64;
}

template <class T>
const ConvKernel<T>& select_conv2d(Isa isa, int64_t out_w, std::string* why) {
  int count = 0;
  const ConvKernel<T>* rows = conv2d_kernels<T>(&count);
  for (int i = 0; i < count; ++i) {
    const ConvKernel<T>& row = rows[i];
    const bool built = row.block != nullptr;
    const bool reached = row.isa <= isa;
    const bool fits = out_w % row.width_multiple == 0 && out_w >= row.length;
    if (built && reached && fits) return row;
    if (why == nullptr) continue;
    *why += str(row.split ? "tiles" : row.name, ": ");
    if (!built)
      *why += "not built by this compiler; ";
    else if (!reached)
      *why += str("above level ", isa_name(isa), "; ");
    else
      *why += str("width ", out_w, " is no multiple of ", row.width_multiple, "; ");
  }
  RUSHLIGHT_INTERNAL_ASSERT(false, "no generic convolution kernel");
}

template <class T>
void conv2d_forward_with(const ConvKernel<T>& kernel, const Conv2dParams& p, ImageView<const T> src,
                         const T* weight, const ConvEpilogue<T>& epilogue, T* dst, KeptWeights* kept) {
  trace::note_flop(2.0 * static_cast<double>(p.work()));
  const FlushDenormals flush;
  const ConvJob<T> job = forward_job(p, src, weight, epilogue, dst, kept);
  if (!run_together(kernel, {job})) run_job(kernel, job);
}

template <class T>
void conv2d_forward(const Conv2dParams& p, ImageView<const T> src, const T* weight,
                    const ConvEpilogue<T>& epilogue, T* dst, KeptWeights* kept) {
  const ConvKernel<T>& kernel = select_conv2d<T>(active_isa(), p.out_w());
  if (skinny_with_taps(p, kernel.split && kept != nullptr ? kSkinnyKept : kSkinnyForward))
    return skinny_forward(p, src, weight, epilogue, dst);
  conv2d_forward_with(kernel, p, src, weight, epilogue, dst, kept);
}

template <class T>
void conv2d_grad_src(const Conv2dParams& p, ImageView<const T> grad_dst, const T* weight, T* grad_src) {
  const ConvKernel<T>& kernel = select_conv2d<T>(active_isa(), p.in_w);
  const std::vector<ConvJob<T>> jobs = grad_src_jobs(p, grad_dst, weight, grad_src);
  const bool together = !jobs.empty() && fit_together(kernel, jobs);
  if (skinny_with_taps(p, together ? kSkinnyForward : kSkinnyGradSrc))
    return skinny_grad_src(p, grad_dst, weight, grad_src);
  trace::note_flop(2.0 * static_cast<double>(p.work()));
  const FlushDenormals flush;
  if (jobs.empty() || run_together(kernel, jobs)) return;
  for (const ConvJob<T>& job : jobs) run_job(select_conv2d<T>(active_isa(), job.out_w), job);
}

// Jobs whose weights are of type W.
template <class W>
void set_weights(std::vector<ConvJob<uint16_t>>& jobs, const W* weight) {
  for (ConvJob<uint16_t>& job : jobs) {
    if constexpr (std::is_same_v<W, float>)
      job.weight = weight;
    else
      job.narrow = weight;
  }
}

template <class W>
bool conv2d_forward_bf16(const Conv2dParams& p, ImageView<const uint16_t> src, const W* weight,
                         const ConvEpilogue<uint16_t>& epilogue, uint16_t* dst, KeptWeights* kept) {
  if (!has_bfloat16()) return false;
  if (kept == nullptr && skinny_bf16_forward_fits(p))
    return skinny_bf16_forward(p, src, weight, epilogue, dst);
  std::vector<ConvJob<uint16_t>> jobs{forward_job<uint16_t>(p, src, nullptr, epilogue, dst, kept)};
  set_weights(jobs, weight);
  return !jobs[0].taps.empty() && run_bf16(p, jobs);
}

template <class W>
bool conv2d_grad_src_bf16(const Conv2dParams& p, ImageView<const uint16_t> grad_dst, const W* weight,
                          uint16_t* grad_src) {
  if (!has_bfloat16()) return false;
  if (skinny_bf16_grad_src_fits(p)) return skinny_bf16_grad_src(p, grad_dst, weight, grad_src);
  std::vector<ConvJob<uint16_t>> jobs = grad_src_jobs<uint16_t>(p, grad_dst, nullptr, grad_src);
  set_weights(jobs, weight);
  return run_bf16(p, jobs);
}

#define RUSHLIGHT_INSTANTIATE(W)                                                                 \
  template bool conv2d_forward_bf16<W>(const Conv2dParams&, ImageView<const uint16_t>, const W*, \
                                       const ConvEpilogue<uint16_t>&, uint16_t*, KeptWeights*);  \
  template bool conv2d_grad_src_bf16<W>(const Conv2dParams&, ImageView<const uint16_t>, const W*, uint16_t*);
RUSHLIGHT_INSTANTIATE(float)
RUSHLIGHT_INSTANTIATE(uint16_t)
#undef RUSHLIGHT_INSTANTIATE

#define RUSHLIGHT_INSTANTIATE(T)                                                                             \
  template const ConvKernel<T>& select_conv2d<T>(Isa, int64_t, std::string*);                                \
  template void conv2d_forward_with<T>(const ConvKernel<T>&, const Conv2dParams&, ImageView<const T>,        \
                                       const T*, const ConvEpilogue<T>&, T*, KeptWeights*);                  \
  template void conv2d_forward<T>(const Conv2dParams&, ImageView<const T>, const T*, const ConvEpilogue<T>&, \
                                  T*, KeptWeights*);                                                         \
  template void conv2d_grad_src<T>(const Conv2dParams&, ImageView<const T>, const T*, T*);
RUSHLIGHT_INSTANTIATE(float)
RUSHLIGHT_INSTANTIATE(double)

}  // namespace rushlight::kernels

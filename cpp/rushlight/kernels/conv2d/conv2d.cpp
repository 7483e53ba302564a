#include "rushlight/kernels/conv2d/conv2d.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/kernels/conv2d/conv2d_levels.h"
#include "rushlight/kernels/conv2d/skinny.h"
#include "rushlight/kernels/conv2d/source.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

#define RUSHLIGHT_CONV_ROW(level, LEVEL, isa, type, groups, length, outputs, multiple) \
  {"conv2d_" #type "_" #groups "x" #length "x" #outputs "_" #level,                    \
   Isa::isa,                                                                           \
   groups,                                                                             \
   length,                                                                             \
   outputs,                                                                            \
   multiple,                                                                           \
   LEVEL(&level::conv2d_##type##_##groups##x##length)},

const ConvKernel<float> kRowsF32[] = {
#define RUSHLIGHT_CONV_F32(level, LEVEL, isa, ...) RUSHLIGHT_CONV_ROW(level, LEVEL, isa, f32, __VA_ARGS__)
#define RUSHLIGHT_CONV_F64(...)
#include "rushlight/kernels/conv2d/kernels.inc"
#undef RUSHLIGHT_CONV_F32
#undef RUSHLIGHT_CONV_F64
};

const ConvKernel<double> kRowsF64[] = {
#define RUSHLIGHT_CONV_F32(...)
#define RUSHLIGHT_CONV_F64(level, LEVEL, isa, ...) RUSHLIGHT_CONV_ROW(level, LEVEL, isa, f64, __VA_ARGS__)
#include "rushlight/kernels/conv2d/kernels.inc"
#undef RUSHLIGHT_CONV_F32
#undef RUSHLIGHT_CONV_F64
};

constexpr int64_t kSourceBytes = 320 * 1024;  // source rows of one task, within the L2 cache
constexpr int64_t kTasks = 8;                 // wanted at least, where the work allows

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Tap {
  int64_t row, col;  // source pixel = output pixel * step + this
  int64_t weight;    // offset of its plane in the weight
};

// Output pixel (i, j) = bias + sum over taps, channels of src[i * step_h + tap.row][j * step_w + tap.col] *
// weight. Forward is one such job; the input gradient is one per residue of the pixel position modulo the
// stride.
template <class T>
struct ConvJob {
  ImageView<const T> src;
  int64_t src_h, src_w, channels;  // channels of one group
  int64_t images, groups;
  int64_t step_h, step_w;
  std::vector<Tap> taps;  // by rows, then columns, both ascending
  const T* weight;
  int64_t weight_group, weight_output, weight_channel;
  const T* bias;
  ImageView<T> dst;
  int64_t out_h, out_w, outputs;  // outputs of one group
};

// How a job is cut, from its shape alone.
template <class T>
struct ConvPlan {
  int64_t first_row = 0, first_col = 0, tap_rows = 1, tap_cols = 1;  // extent of the taps
  bool copy = false;  // source rows are copied into padded ones
  int64_t cols = 0, pitch = 0, row_pitch = 0;
  int64_t channels = 0;  // inner loop: channels, times the taps of a row where pixels touch
  std::vector<int64_t> tap_offset;
  int64_t rows = 0, row_blocks = 0;  // output rows of a task, over all images
  int64_t output_blocks = 0, blocks_per_task = 0;

  ConvPlan(const ConvJob<T>& job, const ConvKernel<T>& kernel) {
    place_source(job);
    merge_taps(job);
    cut(job, kernel);
  }

  void place_source(const ConvJob<T>& job) {
    if (!job.taps.empty()) {
      const auto [top, bottom] = std::minmax_element(
          job.taps.begin(), job.taps.end(), [](const Tap& a, const Tap& b) { return a.row < b.row; });
      const auto [left, right] = std::minmax_element(
          job.taps.begin(), job.taps.end(), [](const Tap& a, const Tap& b) { return a.col < b.col; });
      first_row = top->row, first_col = left->col;
      tap_rows = bottom->row - top->row + 1, tap_cols = right->col - left->col + 1;
    }
    cols = (job.out_w - 1) * job.step_w + tap_cols;
    const bool outside = first_row < 0 || first_col < 0 || first_col + cols > job.src_w ||
                         first_row + (job.out_h - 1) * job.step_h + tap_rows > job.src_h;
    const int64_t bytes = job.step_w * job.src.col * static_cast<int64_t>(sizeof(T));
    copy = !job.taps.empty() && (outside || job.src.channel != 1 || bytes % 2048 == 0);
    pitch = copy ? padded_pitch<T>(job.channels, job.step_w) : job.src.col;
    row_pitch = copy ? cols * pitch : job.src.row;
  }

  // Taps side by side over touching pixels read one contiguous run: a longer inner loop (the stem has 3
  // channels).
  void merge_taps(const ConvJob<T>& job) {
    const auto beside = [&](size_t i) {
      return job.taps[i].row == job.taps[i - 1].row && job.taps[i].col == job.taps[i - 1].col + 1;
    };
    size_t run = 1;
    if (pitch == job.channels)
      while (run < job.taps.size() && beside(run)) ++run;
    for (size_t i = 1; i < job.taps.size(); ++i)
      if (i % run != 0 && !beside(i)) run = 1;
    channels = static_cast<int64_t>(run) * job.channels;
    for (size_t i = 0; i < job.taps.size(); i += run)
      tap_offset.push_back((job.taps[i].row - first_row) * row_pitch + (job.taps[i].col - first_col) * pitch);
  }

  void cut(const ConvJob<T>& job, const ConvKernel<T>& kernel) {
    const int64_t total = job.images * job.out_h;
    const int64_t row_bytes = job.step_h * cols * pitch * static_cast<int64_t>(sizeof(T));
    const int64_t tile = kernel.groups * kernel.length;
    const int64_t wanted = std::clamp<int64_t>(total * job.out_w / (4 * tile), 1, kTasks);
    rows = std::clamp<int64_t>(
        std::min(kSourceBytes / std::max<int64_t>(1, row_bytes), ceil_div(total, wanted)), 1, total);
    // Whole tiles in a task: a last tile that is not full computes pixels twice.
    const int64_t runs = ceil_div(job.out_w, kernel.length);
    while (rows < total && rows * runs % kernel.groups != 0 && rows % kernel.groups != 0) ++rows;
    row_blocks = ceil_div(total, rows);
    output_blocks = ceil_div(job.outputs, kernel.outputs);
    const int64_t splits = std::clamp<int64_t>(ceil_div(kTasks, row_blocks * job.groups), 1, output_blocks);
    blocks_per_task = ceil_div(output_blocks, splits);
  }
};

// [group][block of outputs][tap][channel][output]
template <class T>
void pack_weights(const ConvJob<T>& job, const ConvKernel<T>& kernel, int64_t blocks, T* packed) {
  const auto pack = select_gemm<T>(kernel.isa).pack;
  const int64_t taps = static_cast<int64_t>(job.taps.size());
  const int64_t plane = job.channels * kernel.outputs;
  parallel_for(job.groups * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % blocks * kernel.outputs;
      const T* weight = job.weight + i / blocks * job.weight_group + first * job.weight_output;
      for (int64_t t = 0; t < taps; ++t)
        pack({std::min(kernel.outputs, job.outputs - first), kernel.outputs, job.channels,
              weight + job.taps[t].weight, job.weight_output, job.weight_channel,
              packed + (i * taps + t) * plane});
    }
  });
}

// One task: some output rows (of one or several images) of one group, for some blocks of outputs.
template <class T>
class ConvTask {
 public:
  ConvTask(const ConvJob<T>& job, const ConvPlan<T>& plan, const ConvKernel<T>& kernel, int64_t group,
           int64_t first, int64_t count)
      : job_(job),
        plan_(plan),
        kernel_(kernel),
        group_(group),
        runs_(ceil_div(job.out_w, kernel.length)),
        tiles_(ceil_div(count * runs_, kernel.groups)),
        src_(tiles_ * kernel.groups),
        dst_(tiles_ * kernel.groups),
        buffer_(plan.copy ? buffer_rows(first, count) * plan.row_pitch : 0) {
    collect_runs(first, count);
  }

  void run(const T* packed, int64_t first_block, int64_t last_block) {
    const int64_t block_size = static_cast<int64_t>(job_.taps.size()) * job_.channels * kernel_.outputs;
    for (int64_t block = first_block; block < last_block; ++block) {
      const int64_t output = block * kernel_.outputs;
      kernel_.block({tiles_, src_.data(), dst_.data(), static_cast<int64_t>(plan_.tap_offset.size()),
                     plan_.tap_offset.data(), plan_.channels, job_.step_w * plan_.pitch, job_.dst.col,
                     group_ * job_.outputs + output,
                     packed + (group_ * plan_.output_blocks + block) * block_size,
                     std::min(kernel_.outputs, job_.outputs - output),
                     job_.bias == nullptr ? nullptr : job_.bias + group_ * job_.outputs + output});
    }
  }

 private:
  // Source rows for `count` output rows of one image.
  int64_t source_rows(int64_t count) const { return (count - 1) * job_.step_h + plan_.tap_rows; }

  int64_t buffer_rows(int64_t first, int64_t count) const {
    int64_t rows = 0;
    for (int64_t r = first; r < first + count;) {
      const int64_t part = std::min(job_.out_h - r % job_.out_h, first + count - r);
      rows += source_rows(part);
      r += part;
    }
    return rows;
  }

  // Fills src_ and dst_: a pointer for every run of pixels, copying source rows where the plan says so.
  void collect_runs(int64_t first, int64_t count) {
    T* free_rows = buffer_.data();
    const T* source = job_.src.data + group_ * job_.channels * job_.src.channel;
    const ImageView<const T> view{source, job_.src.image, job_.src.row, job_.src.col, job_.src.channel};
    int64_t filled = 0;
    for (int64_t r = first; r < first + count;) {
      const int64_t image = r / job_.out_h;
      const int64_t row = r % job_.out_h;
      const int64_t part = std::min(job_.out_h - row, first + count - r);
      const T* origin = source + image * job_.src.image +
                        (row * job_.step_h + plan_.first_row) * job_.src.row + plan_.first_col * job_.src.col;
      if (plan_.copy) {
        origin = free_rows;
        for (int64_t i = 0; i < source_rows(part); ++i, free_rows += plan_.row_pitch)
          copy_source_row(view, job_.src_h, job_.src_w, job_.channels, image,
                          row * job_.step_h + plan_.first_row + i, plan_.first_col, plan_.cols, plan_.pitch,
                          free_rows);
      }
      for (int64_t i = 0; i < part; ++i)
        for (int64_t run = 0; run < runs_; ++run, ++filled) {
          // The last run of a row overlaps the one before it if the width does not divide.
          const int64_t col = std::min(run * kernel_.length, job_.out_w - kernel_.length);
          src_[filled] = origin + i * job_.step_h * plan_.row_pitch + col * job_.step_w * plan_.pitch;
          dst_[filled] =
              job_.dst.data + image * job_.dst.image + (row + i) * job_.dst.row + col * job_.dst.col;
        }
      r += part;
    }
    for (; filled < tiles_ * kernel_.groups; ++filled) {
      src_[filled] = src_[filled - 1];
      dst_[filled] = dst_[filled - 1];
    }
  }

  const ConvJob<T>& job_;
  const ConvPlan<T>& plan_;
  const ConvKernel<T>& kernel_;
  const int64_t group_, runs_, tiles_;
  Scratch<const T*> src_;
  Scratch<T*> dst_;
  Scratch<T> buffer_;
};

template <class T>
void run_job(const ConvKernel<T>& kernel, const ConvJob<T>& job) {
  const int64_t total = job.images * job.out_h;
  if (total == 0 || job.out_w == 0 || job.outputs == 0) return;
  const ConvPlan<T> plan(job, kernel);
  const int64_t taps = static_cast<int64_t>(job.taps.size());
  Scratch<T> packed(job.groups * plan.output_blocks * taps * job.channels * kernel.outputs);
  pack_weights(job, kernel, plan.output_blocks, packed.data());
  const int64_t splits = ceil_div(plan.output_blocks, plan.blocks_per_task);
  parallel_for(job.groups * plan.row_blocks * splits, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t row = task / splits % plan.row_blocks * plan.rows;
      const int64_t block = task % splits * plan.blocks_per_task;
      ConvTask<T>(job, plan, kernel, task / splits / plan.row_blocks, row, std::min(plan.rows, total - row))
          .run(packed.data(), block, std::min(block + plan.blocks_per_task, plan.output_blocks));
    }
  });
}

// Rows (or columns) of the gradient at residue r modulo the stride receive the taps k with
// (r + pad - k * dilation) divisible by the stride, from row i + that quotient. Ascending.
struct Phase {
  std::vector<int64_t> tap, offset;
  Phase(int64_t r, int64_t pad, int64_t kernel, int64_t dilation, int64_t stride) {
    for (int64_t k = kernel - 1; k >= 0; --k)
      if ((r + pad - k * dilation) % stride == 0) {
        tap.push_back(k);
        offset.push_back((r + pad - k * dilation) / stride);
      }
  }
};

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
    *why += str(row.name, ": ");
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
                         const T* weight, const T* bias, T* dst) {
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
                 bias,
                 channels_last(dst, p.out_h(), p.out_w(), p.out_channels),
                 p.out_h(),
                 p.out_w(),
                 p.group_out()};
  for (int64_t i = 0; i < p.kernel_h; ++i)
    for (int64_t j = 0; j < p.kernel_w; ++j)
      job.taps.push_back({i * p.dilation_h - p.pad_h, j * p.dilation_w - p.pad_w, i * p.kernel_w + j});
  const FlushDenormals flush;
  run_job(kernel, job);
}

template <class T>
void conv2d_forward(const Conv2dParams& p, ImageView<const T> src, const T* weight, const T* bias, T* dst) {
  if (skinny(p)) return skinny_forward(p, src, weight, bias, dst);
  conv2d_forward_with(select_conv2d<T>(active_isa(), p.out_w()), p, src, weight, bias, dst);
}

template <class T>
void conv2d_grad_src(const Conv2dParams& p, ImageView<const T> grad_dst, const T* weight, T* grad_src) {
  if (skinny(p)) return skinny_grad_src(p, grad_dst, weight, grad_src);
  const FlushDenormals flush;
  const ImageView<T> whole = channels_last(grad_src, p.in_h, p.in_w, p.in_channels);
  for (int64_t r = 0; r < std::min(p.stride_h, p.in_h); ++r)
    for (int64_t s = 0; s < std::min(p.stride_w, p.in_w); ++s) {
      const Phase rows(r, p.pad_h, p.kernel_h, p.dilation_h, p.stride_h);
      const Phase cols(s, p.pad_w, p.kernel_w, p.dilation_w, p.stride_w);
      const int64_t out_w = ceil_div(p.in_w - s, p.stride_w);
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
                     nullptr,
                     {whole.data + r * whole.row + s * whole.col, whole.image, p.stride_h * whole.row,
                      p.stride_w * whole.col, 1},
                     ceil_div(p.in_h - r, p.stride_h),
                     out_w,
                     p.group_in()};
      for (size_t i = 0; i < rows.tap.size(); ++i)
        for (size_t j = 0; j < cols.tap.size(); ++j)
          job.taps.push_back({rows.offset[i], cols.offset[j], rows.tap[i] * p.kernel_w + cols.tap[j]});
      run_job(select_conv2d<T>(active_isa(), out_w), job);
    }
}

#define RUSHLIGHT_INSTANTIATE(T)                                                                      \
  template const ConvKernel<T>& select_conv2d<T>(Isa, int64_t, std::string*);                         \
  template void conv2d_forward_with<T>(const ConvKernel<T>&, const Conv2dParams&, ImageView<const T>, \
                                       const T*, const T*, T*);                                       \
  template void conv2d_forward<T>(const Conv2dParams&, ImageView<const T>, const T*, const T*, T*);   \
  template void conv2d_grad_src<T>(const Conv2dParams&, ImageView<const T>, const T*, T*);
RUSHLIGHT_INSTANTIATE(float)
RUSHLIGHT_INSTANTIATE(double)

}  // namespace rushlight::kernels

// How a convolution is cut into tasks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "rushlight/kernels/conv2d/job.h"
#include "rushlight/kernels/conv2d/source.h"

namespace rushlight::kernels {

constexpr int64_t kSourceBytes = 320 * 1024;  // source rows of one task, within the L2 cache
constexpr int64_t kConvTasks = 8;             // wanted at least, where the work allows

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

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

  // A tile is `tile` runs of `length` pixels x `block` outputs.
  ConvPlan(const ConvJob<T>& job, int64_t tile, int64_t length, int64_t block) {
    place_source(job);
    merge_taps(job);
    cut(job, tile, length, block);
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

  void cut(const ConvJob<T>& job, int64_t tile, int64_t length, int64_t block) {
    const int64_t total = job.images * job.out_h;
    const int64_t row_bytes = job.step_h * cols * pitch * static_cast<int64_t>(sizeof(T));
    const int64_t wanted = std::clamp<int64_t>(total * job.out_w / (4 * tile * length), 1, kConvTasks);
    rows = std::clamp<int64_t>(
        std::min(kSourceBytes / std::max<int64_t>(1, row_bytes), ceil_div(total, wanted)), 1, total);
    // Whole tiles in a task, or many: a last tile that is not full is wasted work.
    const int64_t runs = ceil_div(job.out_w, length);
    while (rows < total && rows * runs % tile != 0 && rows * runs < 8 * tile) ++rows;
    row_blocks = ceil_div(total, rows);
    output_blocks = ceil_div(job.outputs, block);
    const int64_t splits =
        std::clamp<int64_t>(ceil_div(kConvTasks, row_blocks * job.groups), 1, output_blocks);
    blocks_per_task = ceil_div(output_blocks, splits);
  }
};

}  // namespace rushlight::kernels

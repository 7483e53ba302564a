// The source and result pixels of one task of a convolution.
#pragma once

#include <algorithm>
#include <cstdint>

#include "rushlight/base/scratch.h"
#include "rushlight/kernels/conv2d/plan.h"

namespace rushlight::kernels {

// The pixels of one task: some output rows, of one or several images, of one group. `src` and `dst` point to
// the runs of pixels they are made of; the last run is repeated until the tiles are full.
template <class T>
class ConvTask {
 public:
  ConvTask(const ConvJob<T>& job, const ConvPlan<T>& plan, int64_t tile, int64_t length, int64_t group,
           int64_t first, int64_t count)
      : job_(job),
        plan_(plan),
        group_(group),
        length_(length),
        runs_(ceil_div(job.out_w, length)),
        count_(count * runs_),
        tiles_(ceil_div(count_, tile)),
        src_(tiles_ * tile),
        dst_(tiles_ * tile),
        buffer_(plan.copy ? buffer_rows(first, count) * plan.row_pitch : 0) {
    collect_runs(first, count, tiles_ * tile);
  }

  int64_t tiles() const { return tiles_; }
  const T* const* src() { return src_.data(); }
  T* const* dst() { return dst_.data(); }

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
  void collect_runs(int64_t first, int64_t count, int64_t size) {
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
          const int64_t col = std::min(run * length_, job_.out_w - length_);
          src_[filled] = origin + i * job_.step_h * plan_.row_pitch + col * job_.step_w * plan_.pitch;
          dst_[filled] =
              job_.dst.data + image * job_.dst.image + (row + i) * job_.dst.row + col * job_.dst.col;
        }
      r += part;
    }
    for (; filled < size; ++filled) {
      src_[filled] = src_[filled - 1];
      dst_[filled] = dst_[filled - 1];
    }
  }

  const ConvJob<T>& job_;
  const ConvPlan<T>& plan_;
  const int64_t group_, length_;
  const int64_t runs_;   // in a row
  const int64_t count_;  // in the task
  const int64_t tiles_;
  Scratch<const T*> src_;
  Scratch<T*> dst_;
  Scratch<T> buffer_;
};

}  // namespace rushlight::kernels

// The driver of all reductions: how the work is cut and combined. Baseline code only (isa.h).
//
// A reduction is a struct with
//   Src, Acc                 element type and accumulator (trivially copyable)
//   Acc init() const
//   void step(Acc&, Src x, int64_t position) const
//   void line(Acc&, const Src* p, int64_t n, int64_t stride, int64_t position) const
//   void columns(Acc*, const Src* p, int64_t rows, int64_t pitch, int64_t columns, int64_t position) const
//   void merge(Acc&, const Acc& later) const
//   void store(int64_t output, const Acc&, int64_t count) const
// `position` is the flat row-major position of the first element; rows and elements of a line follow one by
// one.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "rushlight/base/parallel.h"
#include "rushlight/kernels/reduce/reduce.h"
#include "rushlight/kernels/reduce/reduce_table.h"

namespace rushlight::kernels {

constexpr int64_t kReduceChunk = 65536;  // elements that one piece of a long reduction reads
// A column reduction is cut into about this many pieces if its panels are fewer; each costs a row of partial
// results.
constexpr int64_t kReducePieces = 64;

// Element loops for reductions without faster ones; `kAnyOrder` of those that do not care which element of a
// line comes first.
template <class Derived, class SrcT, class AccT, bool kAnyOrder = false>
struct PlainReduction {
  using Src = SrcT;
  using Acc = AccT;

  void line(Acc& acc, const Src* p, int64_t n, int64_t stride, int64_t position) const {
    constexpr int64_t kLanes = 16;  // a single accumulator would wait for itself
    int64_t i = 0;
    if (kAnyOrder && stride == 1 && n >= 2 * kLanes) {
      Acc lanes[kLanes];
      std::fill_n(lanes, kLanes, self().init());
      for (; i + kLanes <= n; i += kLanes)
        for (int64_t l = 0; l < kLanes; ++l) self().step(lanes[l], p[i + l], position + i + l);
      for (const Acc& lane : lanes) self().merge(acc, lane);
    }
    Acc local = acc;
    for (; i < n; ++i) self().step(local, p[i * stride], position + i);
    acc = local;
  }
  void columns(Acc* acc, const Src* p, int64_t rows, int64_t pitch, int64_t columns, int64_t position) const {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) self().step(acc[c], p[r * pitch + c], position + r);
  }

 private:
  const Derived& self() const { return static_cast<const Derived&>(*this); }
};

namespace detail {

// Feeds elements [begin, end) of the reduced space to `acc`, line by line.
template <class Op>
void reduce_range(const Op& op, const std::vector<StridedDim<1>>& reduced, const typename Op::Src* src,
                  int64_t begin, int64_t end, typename Op::Acc& acc) {
  const StridedDim<1> inner = reduced.back();
  const int64_t stride = inner.strides[0];
  if (reduced.size() == 1) return op.line(acc, src + begin * stride, end - begin, stride, begin);
  Odometer<1> at(reduced, reduced.size() - 1, begin / inner.size);
  for (int64_t position = begin; position < end; at.next()) {
    const int64_t skip = position % inner.size;
    const int64_t n = std::min(inner.size - skip, end - position);
    op.line(acc, src + at.offset(0) + skip * stride, n, stride, position);
    position += n;
  }
}

// The same for `columns` neighbouring outputs at once.
template <class Op>
void reduce_range_columns(const Op& op, const std::vector<StridedDim<1>>& reduced,
                          const typename Op::Src* src, int64_t begin, int64_t end, int64_t columns,
                          typename Op::Acc* acc) {
  const StridedDim<1> inner = reduced.back();
  const int64_t pitch = inner.strides[0];
  Odometer<1> at(reduced, reduced.size() - 1, begin / inner.size);
  for (int64_t position = begin; position < end; at.next()) {
    const int64_t skip = position % inner.size;
    const int64_t rows = std::min(inner.size - skip, end - position);
    op.columns(acc, src + at.offset(0) + skip * pitch, rows, pitch, columns, position);
    position += rows;
  }
}

// What a piece leaves behind. A struct, because std::vector<bool> would pack what several threads write.
template <class Op>
struct Partial {
  typename Op::Acc acc;
};

template <class Op>
void combine_chunks(const Op& op, const std::vector<Partial<Op>>& partial, int64_t outputs, int64_t chunks,
                    int64_t count) {
  parallel_for(outputs, std::max<int64_t>(1, kReduceChunk / 16 / chunks), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      typename Op::Acc acc = partial[static_cast<size_t>(o)].acc;
      for (int64_t k = 1; k < chunks; ++k) op.merge(acc, partial[static_cast<size_t>(k * outputs + o)].acc);
      op.store(o, acc, count);
    }
  });
}

template <class Op>
void reduce_rows(const Op& op, const ReduceLayout& layout, const typename Op::Src* src, int64_t outputs,
                 int64_t count) {
  const int64_t chunks = std::max<int64_t>(1, (count + kReduceChunk - 1) / kReduceChunk);
  std::vector<Partial<Op>> partial(chunks > 1 ? static_cast<size_t>(chunks * outputs) : 0);
  const int64_t grain =
      std::max<int64_t>(1, kReduceChunk / 2 / std::max<int64_t>(1, std::min(count, kReduceChunk)));
  parallel_for(chunks * outputs, grain, [&](int64_t begin, int64_t end) {
    Odometer<1> at(layout.kept, layout.kept.size(), begin / chunks);
    for (int64_t job = begin; job < end; ++job) {
      const int64_t output = job / chunks;
      const int64_t chunk = job % chunks;
      typename Op::Acc acc = op.init();
      const int64_t first = chunk * kReduceChunk;
      const int64_t last = std::min(count, first + kReduceChunk);
      if (first < last) reduce_range(op, layout.reduced, src + at.offset(0), first, last, acc);
      if (chunks == 1)
        op.store(output, acc, count);
      else
        partial[static_cast<size_t>(chunk * outputs + output)].acc = acc;
      if (chunk == chunks - 1) at.next();
    }
  });
  if (chunks > 1) combine_chunks(op, partial, outputs, chunks, count);
}

template <class Op>
void reduce_columns(const Op& op, const ReduceLayout& layout, const typename Op::Src* src, int64_t outputs,
                    int64_t count) {
  const int64_t columns = layout.kept.back().size;
  const int64_t panels = (columns + kReducePanel - 1) / kReducePanel;
  const int64_t groups = outputs / columns;
  const int64_t pieces = std::max<int64_t>(1, kReducePieces / (groups * panels));
  const int64_t rows =
      std::max(kReduceChunk / std::min(columns, kReducePanel), (count + pieces - 1) / pieces);
  const int64_t chunks = (count + rows - 1) / rows;
  std::vector<Partial<Op>> partial(chunks > 1 ? static_cast<size_t>(chunks * outputs) : 0);
  const int64_t job_size = std::min(rows, count) * std::min(columns, kReducePanel);
  parallel_for(groups * panels * chunks, std::max<int64_t>(1, kReduceChunk / 2 / job_size),
               [&](int64_t begin, int64_t end) {
                 typename Op::Acc acc[kReducePanel];
                 for (int64_t job = begin; job < end; ++job) {
                   const int64_t chunk = job % chunks;
                   const int64_t first_column = job / chunks % panels * kReducePanel;
                   const int64_t group = job / chunks / panels;
                   const int64_t width = std::min(kReducePanel, columns - first_column);
                   const Odometer<1> at(layout.kept, layout.kept.size() - 1, group);
                   std::fill_n(acc, width, op.init());
                   reduce_range_columns(op, layout.reduced, src + at.offset(0) + first_column, chunk * rows,
                                        std::min(count, (chunk + 1) * rows), width, acc);
                   const int64_t output = group * columns + first_column;
                   for (int64_t c = 0; c < width; ++c) {
                     if (chunks == 1)
                       op.store(output + c, acc[c], count);
                     else
                       partial[static_cast<size_t>(chunk * outputs + output + c)].acc = acc[c];
                   }
                 }
               });
  if (chunks > 1) combine_chunks(op, partial, outputs, chunks, count);
}

}  // namespace detail

// Runs the reduction. With `keep_order` positions are those of the layout; without it the reduced dimensions
// are visited in memory order, which merges more of them.
template <class Op>
void run_reduction(const Op& op, ReduceLayout layout, const typename Op::Src* src, bool keep_order) {
  const int64_t outputs = element_count(layout.kept);
  const int64_t count = element_count(layout.reduced);
  if (outputs == 0) return;
  if (!keep_order) {
    std::stable_sort(layout.reduced.begin(), layout.reduced.end(), [](const auto& a, const auto& b) {
      return std::abs(a.strides[0]) > std::abs(b.strides[0]);
    });
  }
  layout.kept = coalesce(layout.kept);
  layout.reduced = coalesce(layout.reduced);
  HeavyWork scope(outputs * count);
  const bool by_columns = layout.kept.back().strides[0] == 1 && layout.kept.back().size >= 4 &&
                          layout.reduced.back().strides[0] != 1 && count > 1;
  if (by_columns)
    detail::reduce_columns(op, layout, src, outputs, count);
  else
    detail::reduce_rows(op, layout, src, outputs, count);
}

}  // namespace rushlight::kernels

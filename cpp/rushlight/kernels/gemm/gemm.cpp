#include "rushlight/kernels/gemm/gemm.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <type_traits>
#include <utility>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/base/trace.h"
#include "rushlight/kernels/gemm/gemm_levels.h"
#include "rushlight/kernels/gemm/split.h"

namespace rushlight::kernels {
namespace {

// clang-format off
#define RUSHLIGHT_GEMM_ROW(level, LEVEL, isa, type, split, mr, nr, mc, kc, nc) \
  {"gemm_" #type "_" #mr "x" #nr "_" #level, Isa::isa, mr, nr, mc, kc, nc, \
   LEVEL(&level::gemm_block_##type), LEVEL(&level::gemm_dots_##type), LEVEL(&level::gemm_pack_##type), split},
// clang-format on

const GemmKernel<float> kRowsF32[] = {
#define RUSHLIGHT_GEMM_SPLIT(level, LEVEL, isa, ...) \
  RUSHLIGHT_GEMM_ROW(level, LEVEL, isa, f32, true, __VA_ARGS__)
#define RUSHLIGHT_GEMM_F32(level, LEVEL, isa, ...) \
  RUSHLIGHT_GEMM_ROW(level, LEVEL, isa, f32, false, __VA_ARGS__)
#define RUSHLIGHT_GEMM_F64(...)
#include "rushlight/kernels/gemm/kernels.inc"
#undef RUSHLIGHT_GEMM_SPLIT
#undef RUSHLIGHT_GEMM_F32
#undef RUSHLIGHT_GEMM_F64
};

const GemmKernel<double> kRowsF64[] = {
#define RUSHLIGHT_GEMM_SPLIT(...)
#define RUSHLIGHT_GEMM_F32(...)
#define RUSHLIGHT_GEMM_F64(level, LEVEL, isa, ...) \
  RUSHLIGHT_GEMM_ROW(level, LEVEL, isa, f64, false, __VA_ARGS__)
#include "rushlight/kernels/gemm/kernels.inc"
#undef RUSHLIGHT_GEMM_SPLIT
#undef RUSHLIGHT_GEMM_F32
#undef RUSHLIGHT_GEMM_F64
};

constexpr int64_t kDotRows = 32;          // up to here dot products beat packing B
constexpr int64_t kDirectWork = 1 << 17;  // m * n * k up to which packing B does not pay
constexpr int64_t kDirectDepth = 512;     // longest chain of one accumulator in the unpacked path
constexpr int64_t kPieceWork = 1 << 17;   // multiply-adds worth a piece of their own
constexpr int64_t kOuterRows = 2016;      // rows of A packed at a time
constexpr int64_t kSplitWork = 1 << 19;   // m * n * k from which splitting pays,
constexpr int64_t kSplitSide = 24;        // rows and columns from which whole tiles pay
constexpr int64_t kTileWork = 1 << 15;    // m * n * k from which bfloat16 is not converted
constexpr int64_t kTaskPanels = 8;        // panels of B in a task

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The same product seen as C^T = B^T A^T.
template <class T>
GemmArgs<T> transposed(const GemmArgs<T>& x) {
  GemmArgs<T> t = x;
  std::swap(t.m, t.n);
  t.a = x.b, t.a_row = x.b_col, t.a_col = x.b_row, t.a_batch = x.b_batch;
  t.b = x.a, t.b_row = x.a_col, t.b_col = x.a_row, t.b_batch = x.a_batch;
  std::swap(t.c_row, t.c_col);
  return t;
}

// Vectors as rows, and C with contiguous columns.
template <class T>
GemmArgs<T> normalised(GemmArgs<T> x) {
  if (x.k == 1) x.a_col = x.b_row = 1;
  if (x.m == 1) x.a_row = 1, x.c_row = x.n;
  if (x.n == 1) x.b_col = 1;
  if (x.c_col == 1 && !(x.n == 1 && x.c_row == 1 && x.bias == nullptr)) return x;
  assert(x.c_row == 1 && x.bias == nullptr);
  x = transposed(x);
  if (x.m == 1) x.c_row = x.n;
  return x;
}

// Few rows of A against columns of B that are contiguous along k.
template <class T>
bool dots_fit(const GemmArgs<T>& x) {
  return x.b_row == 1 && x.m <= kDotRows && x.m <= x.n;
}

// `rows` vectors contiguous along k: src itself, or a copy in `copy`.
template <class T>
const T* rows_along_k(const T* src, int64_t rows, int64_t k, int64_t& row, int64_t col, T* copy) {
  if (col == 1) return src;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t p = 0; p < k; ++p) copy[i * k + p] = src[i * row + p * col];
  row = k;
  return copy;
}

// The longer side of C is cut into pieces and streamed once; the shorter is the `m` of GemmDots.
template <class T>
void run_dots(const GemmKernel<T>& kernel, const GemmArgs<T>& args) {
  const bool swap = !dots_fit(args);
  GemmArgs<T> x = swap ? transposed(args) : args;
  Scratch<T> copy(x.a_col == 1 ? 0 : x.m * x.k);
  x.a = rows_along_k(x.a, x.m, x.k, x.a_row, x.a_col, copy.data());
  const int64_t grain = std::max<int64_t>(4, kPieceWork / std::max<int64_t>(1, x.m * x.k) / 4 * 4);
  parallel_for(x.n, grain, [&](int64_t begin, int64_t end) {
    GemmDots<T> d{x.m,          end - begin,           x.k,     x.a,     x.a_row,      x.b + begin * x.b_col,
                  x.b_col,      x.c + begin * x.c_col, x.c_row, x.c_col, x.accumulate, x.bias,
                  swap ? 1 : 0, swap ? 0 : 1};
    if (x.bias != nullptr && !swap) d.bias += begin;
    kernel.dots(d);
  });
}

// Packs A (cheap: few rows, or everything is small) and reads B in place.
template <class T>
void run_direct(const GemmKernel<T>& kernel, const GemmArgs<T>& x) {
  const int64_t rows = even_rows(x.m, kernel.mr);
  const int64_t panels = ceil_div(x.m, rows);
  const int64_t depth = std::min(x.k, kDirectDepth);
  const bool in_place = x.a_row == 1;
  Scratch<T> packed(in_place ? 0 : panels * rows * depth);
  for (int64_t k0 = 0; k0 == 0 || k0 < x.k; k0 += kDirectDepth) {
    const int64_t k = std::min(depth, x.k - k0);
    const T* a = in_place ? x.a + k0 * x.a_col : packed.data();
    for (int64_t i = 0; i < (in_place ? 0 : panels); ++i)
      kernel.pack({std::min(rows, x.m - i * rows), rows, k, x.a + i * rows * x.a_row + k0 * x.a_col, x.a_row,
                   x.a_col, packed.data() + i * rows * k});
    const int64_t grain =
        kernel.nr * std::max<int64_t>(1, kPieceWork / std::max<int64_t>(1, x.m * k * kernel.nr));
    const bool first = k0 == 0;
    parallel_for(x.n, grain, [&](int64_t begin, int64_t end) {
      kernel.block({x.m, end - begin, k, rows, 1, &a, in_place ? rows : rows * k, in_place ? x.a_col : rows,
                    x.b + k0 * x.b_row + begin, kernel.nr, x.b_row, 0, x.c + begin, x.c_row,
                    x.accumulate || !first, first && x.bias != nullptr ? x.bias + begin : nullptr});
    });
  }
}

// One block of C: packs its rows of A and its columns of B, then multiplies in tasks of MC rows x a few
// panels of B.
template <class T>
void run_packed_block(const GemmKernel<T>& kernel, const GemmArgs<T>& x, T* a, T* b, bool first) {
  const int64_t rows = even_rows(x.m, kernel.mr);
  const int64_t a_panels = ceil_div(x.m, rows);
  const int64_t b_panels = ceil_div(x.n, kernel.nr);
  const int64_t pack_grain = std::max<int64_t>(1, (1 << 15) / (x.k * kernel.nr));
  parallel_for(a_panels + b_panels, pack_grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < std::min(end, a_panels); ++i)
      kernel.pack({std::min(rows, x.m - i * rows), rows, x.k, x.a + i * rows * x.a_row, x.a_row, x.a_col,
                   a + i * rows * x.k});
    for (int64_t i = std::max(begin, a_panels) - a_panels; i < end - a_panels; ++i)
      kernel.pack({std::min(kernel.nr, x.n - i * kernel.nr), kernel.nr, x.k, x.b + i * kernel.nr * x.b_col,
                   x.b_col, x.b_row, b + i * kernel.nr * x.k});
  });
  // Tasks of about MC rows by a few panels of B, as even as panels allow: threads get equal shares.
  const int64_t down = ceil_div(a_panels, std::max<int64_t>(1, kernel.mc / rows));
  const int64_t across = ceil_div(b_panels, kTaskPanels);
  const int64_t grain =
      std::max<int64_t>(1, kPieceWork * down * across / std::max<int64_t>(1, x.m * x.n * x.k));
  parallel_for(down * across, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t i = task / across * a_panels / down * rows;
      const int64_t i_end = std::min(x.m, (task / across + 1) * a_panels / down * rows);
      const int64_t j = task % across * b_panels / across * kernel.nr;
      const int64_t j_end = std::min(x.n, (task % across + 1) * b_panels / across * kernel.nr);
      const T* a_block = a + i * x.k;
      kernel.block({i_end - i, j_end - j, x.k, rows, 1, &a_block, rows * x.k, rows, b + j * x.k,
                    kernel.nr * x.k, kernel.nr, 0, x.c + i * x.c_row + j, x.c_row, x.accumulate || !first,
                    first && x.bias != nullptr ? x.bias + j : nullptr});
    }
  });
}

template <class T>
void run_packed(const GemmKernel<T>& kernel, const GemmArgs<T>& x) {
  const int64_t nc = std::min(kernel.nc, ceil_div(x.n, kernel.nr) * kernel.nr);
  const int64_t kc = std::min(kernel.kc, std::max<int64_t>(x.k, 1));
  const int64_t mc = std::min(kOuterRows, x.m + kernel.mr * ceil_div(x.m, kernel.mr));
  Scratch<T> a(mc * kc);
  Scratch<T> b(nc * kc);
  for (int64_t j = 0; j < x.n; j += kernel.nc)
    for (int64_t i = 0; i < x.m; i += kOuterRows)
      for (int64_t p = 0; p < x.k; p += kernel.kc) {
        GemmArgs<T> block = x;
        block.m = std::min(kOuterRows, x.m - i);
        block.n = std::min(kernel.nc, x.n - j);
        block.k = std::min(kernel.kc, x.k - p);
        block.a += i * x.a_row + p * x.a_col;
        block.b += p * x.b_row + j * x.b_col;
        block.c += i * x.c_row + j;
        if (x.bias != nullptr) block.bias += j;
        run_packed_block(kernel, block, a.data(), b.data(), p == 0);
      }
}

void run_without_tiles(const GemmArgs<float>& x) { run_packed(select_gemm<float>(Isa::Avx512), x); }

// Returns false if tiles were to run it and met what they cannot multiply.
template <class T>
bool run_one(const GemmKernel<T>& kernel, const SplitKernel<float>& tiles, GemmPath path,
             const GemmArgs<T>& x) {
  if constexpr (std::is_same_v<T, float>)
    if (path == GemmPath::Tiles) return run_split(tiles, &run_without_tiles, x);
  if (path == GemmPath::Dots)
    run_dots(kernel, x);
  else if (path == GemmPath::Direct)
    run_direct(kernel, x);
  else
    run_packed(kernel, x);
  return true;
}

}  // namespace

template <>
const GemmKernel<float>* gemm_kernels<float>(int* count) {
  *count = static_cast<int>(std::size(kRowsF32));
  return kRowsF32;
}
template <>
const GemmKernel<double>* gemm_kernels<double>(int* count) {
  *count = static_cast<int>(std::size(kRowsF64));
  return kRowsF64;
}

template <class T>
const GemmKernel<T>& select_gemm(Isa isa, std::string* why) {
  int count = 0;
  const GemmKernel<T>* rows = gemm_kernels<T>(&count);
  for (int i = 0; i < count; ++i) {
    if (rows[i].block != nullptr && rows[i].isa <= isa) return rows[i];
    if (why != nullptr)
      *why += str(rows[i].split ? "tiles" : rows[i].name,
                  rows[i].block == nullptr ? ": not built by this compiler; " : ": above level ",
                  rows[i].block == nullptr ? "" : isa_name(isa), rows[i].block == nullptr ? "" : "; ");
  }
  RUSHLIGHT_INTERNAL_ASSERT(false, "no generic GEMM kernel");
}

template <class T>
GemmPath select_gemm_path(const GemmArgs<T>& x, const GemmKernel<T>& kernel) {
  const bool small = x.m * x.n * x.k <= kDirectWork && 4 * x.n >= kernel.nr;
  if (x.k == 0 || (x.b_col == 1 && (x.m <= kernel.mr || small))) return GemmPath::Direct;
  if (dots_fit(x) || dots_fit(transposed(x))) return GemmPath::Dots;
  if (x.b_col == 1 && x.m <= 3 * kernel.mr) return GemmPath::Direct;
  const bool large = std::min({x.m, x.n, x.k}) >= kSplitSide && x.m * x.n * x.k >= kSplitWork;
  return kernel.split && large ? GemmPath::Tiles : GemmPath::Packed;
}

template <class T>
void gemm_with(const GemmKernel<T>& kernel, const GemmArgs<T>& args) {
  if (args.m == 0 || args.n == 0 || args.batch == 0) return;
  const GemmArgs<T> x = normalised(args);
  const FlushDenormals flush;
  const int64_t work = std::max<int64_t>(1, x.m * x.n * x.k);
  trace::note_flop(2.0 * x.batch * x.m * x.n * x.k);
  // Small matrices share a piece; a large one is cut itself.
  const int64_t grain = work >= kPieceWork * 16 ? x.batch : std::max<int64_t>(1, kPieceWork / work);
  const GemmPath path = select_gemm_path(x, kernel);
  const SplitKernel<float>& tiles = split_kernel<float>();
  std::atomic<bool> as_planned{true};
  parallel_for(x.batch, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      GemmArgs<T> one = x;
      one.batch = 1;
      one.a += i * x.a_batch;
      one.b += i * x.b_batch;
      one.c += i * x.c_batch;
      if (!run_one(kernel, tiles, path, one)) as_planned.store(false);
    }
  });
  if (path == GemmPath::Tiles) trace::note_kernel(tiles.gemm_name);
  if (path != GemmPath::Tiles || !as_planned.load()) trace::note_kernel(kernel.name);
  if (!as_planned.load())
    trace::note_refused(kNotSplit);
  else if (kernel.split && path != GemmPath::Tiles)
    trace::note_refused("tiles: too small");
}

template <>
void gemm<float>(const GemmArgs<float>& args) {
  gemm_with(select_gemm<float>(active_isa()), args);
}
template <>
void gemm<double>(const GemmArgs<double>& args) {
  gemm_with(select_gemm<double>(active_isa()), args);
}

bool gemm_bf16(const GemmArgs<uint16_t>& x) {
  if (!has_bfloat16()) return false;
  if (x.m * x.n * x.k < kTileWork) {
    trace::note_refused("bfloat16 tiles: too small");
    return false;
  }
  trace::note_kernel(split_kernel<uint16_t>().gemm_name);
  trace::note_flop(2.0 * x.batch * x.m * x.n * x.k);
  const FlushDenormals flush;
  const int64_t grain = x.m * x.n * x.k >= kPieceWork * 16 ? x.batch : 1;
  parallel_for(x.batch, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      GemmArgs<uint16_t> one = x;
      one.a += i * x.a_batch, one.b += i * x.b_batch, one.c += i * x.c_batch;
      run_split<uint16_t>(split_kernel<uint16_t>(), nullptr, one);
    }
  });
  return true;
}

template void gemm_with<float>(const GemmKernel<float>&, const GemmArgs<float>&);
template void gemm_with<double>(const GemmKernel<double>&, const GemmArgs<double>&);
template const GemmKernel<float>& select_gemm<float>(Isa, std::string*);
template const GemmKernel<double>& select_gemm<double>(Isa, std::string*);
template GemmPath select_gemm_path<float>(const GemmArgs<float>&, const GemmKernel<float>&);
template GemmPath select_gemm_path<double>(const GemmArgs<double>&, const GemmKernel<double>&);

}  // namespace rushlight::kernels

#include "rushlight/kernels/gemm/split.h"

#include <algorithm>
#include <atomic>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/kernels/gemm/split_levels.h"

namespace rushlight::kernels {
namespace {

// MC, KC: a task's packed A and B fit the L2 cache; KC is at most a chain of tile sums.
#define RUSHLIGHT_SPLIT_KERNEL(parts, products)     \
  {"gemm_f32_x" #products "_amx",                   \
   "conv2d_f32_x" #products "_amx",                 \
   parts,                                           \
   128,                                             \
   512,                                             \
   2048,                                            \
   kSplitChain,                                     \
   RUSHLIGHT_AMX(&amx::split_block_##parts),        \
   RUSHLIGHT_AMX(&amx::split_block_##parts),        \
   RUSHLIGHT_AMX(&amx::split_pack_rows_##parts),    \
   RUSHLIGHT_AMX(&amx::split_pack_columns_##parts), \
   RUSHLIGHT_AMX(&amx::split_planes_##parts),       \
   RUSHLIGHT_AMX(&amx::split_gather_##parts),       \
   RUSHLIGHT_AMX(&amx::split_tile_##parts),         \
   RUSHLIGHT_AMX(&amx::split_pair_##parts),         \
   parts == 1 ? RUSHLIGHT_AMX(&amx::split_pair_taps) : nullptr}
const SplitKernel<float> kKernels[] = {RUSHLIGHT_SPLIT_KERNEL(1, 1), RUSHLIGHT_SPLIT_KERNEL(2, 3),
                                       RUSHLIGHT_SPLIT_KERNEL(3, 6)};
#undef RUSHLIGHT_SPLIT_KERNEL
// Results are rounded once: one block sums all of k.
const SplitKernel<uint16_t> kNarrowKernel{"gemm_bf16_amx",
                                          "conv2d_bf16_amx",
                                          1,
                                          128,
                                          INT64_MAX,
                                          2048,
                                          INT64_MAX,
                                          RUSHLIGHT_AMX(&amx::split_block_bf16),
                                          RUSHLIGHT_AMX(&amx::split_block_1),
                                          RUSHLIGHT_AMX(&amx::split_pack_rows_bf16),
                                          RUSHLIGHT_AMX(&amx::split_pack_columns_bf16),
                                          RUSHLIGHT_AMX(&amx::split_planes_bf16),
                                          RUSHLIGHT_AMX(&amx::split_gather_1),
                                          RUSHLIGHT_AMX(&amx::split_tile_bf16),
                                          RUSHLIGHT_AMX(&amx::split_pair_bf16),
                                          nullptr};

std::atomic<int> parts_in_use{3};

constexpr int64_t kOuterRows = 2048;         // rows of A packed at a time
constexpr int64_t kPackedNumbers = 1 << 22;  // of an operand at a time, about
constexpr int64_t kTaskColumns = 256;        // columns of a task
constexpr int64_t kPanelsPerPiece = 2;       // packed by one piece
constexpr int64_t kOwnNumbers = 1 << 19;     // that a task packs for itself alone
constexpr int64_t kOwnTasks = 8;

int64_t panels_of(int64_t lanes) { return (lanes + kSplitLanes - 1) / kSplitLanes; }

// One block of C, all of whose A and B are packed at once.
template <class T>
struct Block {
  const SplitKernel<T>& split;
  const SplitFallback<T> fallback;
  std::atomic<bool>& as_planned;
  GemmArgs<T> x;
  uint16_t* a;
  uint16_t* b;
  int64_t panel;                             // numbers in a packed panel
  Scratch<uint8_t> safe_rows, safe_columns;  // by panel

  Block(const SplitKernel<T>& kernel, SplitFallback<T> other, std::atomic<bool>& planned,
        const GemmArgs<T>& args, uint16_t* a_, uint16_t* b_)
      : split(kernel),
        fallback(other),
        as_planned(planned),
        x(args),
        a(a_),
        b(b_),
        panel(split_steps(args.k) * kernel.step()),
        safe_rows(panels_of(args.m)),
        safe_columns(panels_of(args.n)) {}

  bool pack_rows(int64_t panel_number, uint16_t* dst) const {
    const int64_t first = panel_number * kSplitLanes;
    return split.pack_rows(
        {std::min(kSplitLanes, x.m - first), x.k, x.a + first * x.a_row, x.a_row, x.a_col, dst});
  }
  bool pack_columns(int64_t panel_number, uint16_t* dst) const {
    const int64_t first = panel_number * kSplitLanes;
    return split.pack_columns(
        {std::min(kSplitLanes, x.n - first), x.k, x.b + first * x.b_col, x.b_col, x.b_row, dst});
  }

  void pack() {
    const int64_t row_panels = panels_of(x.m);
    parallel_for(row_panels + panels_of(x.n), kPanelsPerPiece, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        if (i < row_panels)
          safe_rows[i] = pack_rows(i, a + i * panel);
        else
          safe_columns[i - row_panels] = pack_columns(i - row_panels, b + (i - row_panels) * panel);
    });
  }

  // Rows [i, i + m) and columns [j, j + n) of the block, from their tiles of A and panels of B.
  void product(bool safe, int64_t i, int64_t m, int64_t j, int64_t n, T* const* rows,
               const uint16_t* const* tiles, const uint16_t* panels, const int64_t* steps) const {
    if (safe || fallback == nullptr) {
      split.block({m, n, split_steps(x.k), tiles, 64, kSplitPart, steps, panels, panel, rows + i, j,
                   x.accumulate, x.bias == nullptr ? nullptr : x.bias + j});
      return;
    }
    GemmArgs<T> part = x;
    part.m = m, part.n = n, part.a += i * x.a_row, part.b += j * x.b_col, part.c += i * x.c_row + j;
    if (part.bias != nullptr) part.bias += j;
    as_planned.store(false, std::memory_order_relaxed);
    fallback(part);
  }

  void multiply(int64_t i, int64_t m, int64_t j, int64_t n, T* const* rows, const uint16_t* const* tiles,
                const int64_t* steps) {
    bool safe = true;
    for (int64_t p = i / kSplitLanes; p < panels_of(i + m); ++p) safe = safe && safe_rows[p];
    for (int64_t p = j / kSplitLanes; p < panels_of(j + n); ++p) safe = safe && safe_columns[p];
    product(safe, i, m, j, n, rows, tiles + i / 16, b + j / kSplitLanes * panel, steps);
  }

  // Whether the shorter side is short enough for every task to pack it for itself.
  bool small() const { return panels_of(std::min(x.m, x.n)) * panel <= kOwnNumbers; }

  // Tasks share nothing, for what another core packed is slow to read: each packs all of the shorter side,
  // then multiplies its panels of the longer one as it packs them.
  void run_small() const {
    const bool by_rows = x.m >= x.n;
    const int64_t panels = panels_of(by_rows ? x.m : x.n), others = panels_of(by_rows ? x.n : x.m);
    const int64_t tasks = std::min(panels, std::clamp<int64_t>(panels / others, 2, kOwnTasks));
    parallel_for(tasks, 1, [&](int64_t task, int64_t) {
      Scratch<uint16_t> packed((others + 1) * panel);
      uint16_t* own = packed.data() + others * panel;
      Scratch<T*> rows(x.m);
      for (int64_t i = 0; i < x.m; ++i) rows[i] = x.c + i * x.c_row;
      Scratch<int64_t> steps(split_steps(x.k));
      for (int64_t s = 0; s < split_steps(x.k); ++s) steps[s] = s * split.step();
      const int64_t tiled = by_rows ? 1 : others;
      Scratch<const uint16_t*> tiles(2 * tiled);
      for (int64_t i = 0; i < 2 * tiled; ++i)
        tiles[i] = (by_rows ? own : packed.data()) + i / 2 * panel + i % 2 * kSplitTile;
      bool safe = true;
      for (int64_t i = 0; i < others; ++i) {
        uint16_t* const dst = packed.data() + i * panel;
        safe = (by_rows ? pack_columns(i, dst) : pack_rows(i, dst)) && safe;
      }
      for (int64_t i = panels * task / tasks; i < panels * (task + 1) / tasks; ++i) {
        const int64_t first = i * kSplitLanes;
        const bool both = (by_rows ? pack_rows(i, own) : pack_columns(i, own)) && safe;
        if (by_rows)
          product(both, first, std::min(kSplitLanes, x.m - first), 0, x.n, rows.data(), tiles.data(),
                  packed.data(), steps.data());
        else
          product(both, 0, x.m, first, std::min(kSplitLanes, x.n - first), rows.data(), tiles.data(), own,
                  steps.data());
      }
    });
  }

  void run() {
    if (small()) return run_small();
    pack();
    Scratch<T*> rows(x.m);
    for (int64_t i = 0; i < x.m; ++i) rows[i] = x.c + i * x.c_row;
    Scratch<const uint16_t*> tiles(2 * panels_of(x.m));
    for (int64_t i = 0; i < 2 * panels_of(x.m); ++i) tiles[i] = a + i / 2 * panel + i % 2 * kSplitTile;
    Scratch<int64_t> steps(split_steps(x.k));
    for (int64_t s = 0; s < split_steps(x.k); ++s) steps[s] = s * split.step();
    const int64_t across = (x.n + kTaskColumns - 1) / kTaskColumns;
    const int64_t down = (x.m + split.mc - 1) / split.mc;
    parallel_for(down * across, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t i = task / across * split.mc, j = task % across * kTaskColumns;
        multiply(i, std::min(split.mc, x.m - i), j, std::min(kTaskColumns, x.n - j), rows.data(),
                 tiles.data(), steps.data());
      }
    });
  }
};

}  // namespace

void set_split_parts(int parts) { parts_in_use.store(parts); }
int split_parts() { return parts_in_use.load(); }
template <>
const SplitKernel<float>& split_kernel<float>() {
  return kKernels[split_parts() - 1];
}
template <>
const SplitKernel<uint16_t>& split_kernel<uint16_t>() {
  return kNarrowKernel;
}
bool has_bfloat16() { return active_isa() >= Isa::Amx && kNarrowKernel.block != nullptr; }
const SplitKernel<float>& rounding_kernel() { return kKernels[0]; }

template <class T>
bool run_split(const SplitKernel<T>& split, SplitFallback<T> fallback, const GemmArgs<T>& x) {
  const int64_t kc = std::min(split.kc, std::max<int64_t>(1, x.k)), steps = split_steps(kc);
  const int64_t at_once = kPackedNumbers / kc / kTaskColumns * kTaskColumns;
  const int64_t mc = std::clamp(at_once, kTaskColumns, kOuterRows);
  const int64_t nc = std::clamp(at_once, kTaskColumns, split.nc);
  Scratch<uint16_t> a(panels_of(std::min(mc, x.m)) * steps * split.step());
  Scratch<uint16_t> b(panels_of(std::min(nc, x.n)) * steps * split.step());
  std::atomic<bool> as_planned{true};
  for (int64_t j = 0; j < x.n; j += nc)
    for (int64_t i = 0; i < x.m; i += mc)
      for (int64_t p = 0; p < x.k; p += kc) {
        GemmArgs<T> part = x;
        part.batch = 1;
        part.m = std::min(mc, x.m - i), part.n = std::min(nc, x.n - j), part.k = std::min(kc, x.k - p);
        part.a += i * x.a_row + p * x.a_col;
        part.b += p * x.b_row + j * x.b_col;
        part.c += i * x.c_row + j;
        part.accumulate = x.accumulate || p > 0;
        part.bias = x.bias == nullptr || p > 0 ? nullptr : x.bias + j;
        Block<T>(split, fallback, as_planned, part, a.data(), b.data()).run();
      }
  return as_planned.load();
}

template bool run_split<float>(const SplitKernel<float>&, SplitFallback<float>, const GemmArgs<float>&);
template bool run_split<uint16_t>(const SplitKernel<uint16_t>&, SplitFallback<uint16_t>,
                                  const GemmArgs<uint16_t>&);

}  // namespace rushlight::kernels

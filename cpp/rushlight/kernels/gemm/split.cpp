#include "rushlight/kernels/gemm/split.h"

#include <algorithm>
#include <atomic>
#include <type_traits>

#include "rushlight/base/parallel.h"
#include "rushlight/base/scratch.h"
#include "rushlight/kernels/gemm/split_levels.h"

namespace rushlight::kernels {
namespace {

#define RUSHLIGHT_SPLIT_KERNEL(parts, products)     \
  {"gemm_f32_x" #products "_amx",                   \
   "conv2d_f32_x" #products "_amx",                 \
   parts,                                           \
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

constexpr int64_t kKeptLanes = 512;
constexpr int64_t kKeptNumbers = 400 << 10;  // packed; beside what passes they fill most of an L2 cache
constexpr int64_t kGroup = 4;                // panels that pass together
constexpr int64_t kSharedBlocks = 2;         // a thread keeps, from which what passes is packed but once

// Steps of float32 to add up in tiles: a chain of both panels stays in an L1 cache.
constexpr int64_t chain_of(int64_t parts) { return parts == 1 ? kSplitChain : parts == 2 ? 8 : 4; }
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t panels_of(int64_t lanes) { return ceil_div(lanes, kSplitLanes); }

// Of the shorter side of C a thread packs as many lanes (rows or columns) as its L2 cache holds. Panels of
// the longer side pass by, a few at a time, each multiplied with all of those.
template <class T>
class SplitProduct {
 public:
  SplitProduct(const SplitKernel<T>& split, SplitFallback<T> fallback, const GemmArgs<T>& x)
      : split_(split),
        fallback_(fallback),
        whole_(x),
        rows_kept_(x.m <= x.n),
        kept_(rows_kept_ ? x.m : x.n),
        passing_(rows_kept_ ? x.n : x.m),
        chain_(std::is_same_v<T, float> ? chain_of(split.parts) : split.chain),
        depth_(std::max<int64_t>(1, x.k)) {
    if (std::is_same_v<T, float>) {
      lanes_ = even_lanes(kept_, kKeptLanes);
      const int64_t steps = kKeptNumbers / (lanes_ * split.parts * kSplitDepth);
      depth_ = std::min(depth_, std::max<int64_t>(1, steps / chain_) * chain_ * kSplitDepth);
    } else {  // results are rounded once: all of k together
      lanes_ = even_lanes(kept_, std::clamp(kKeptNumbers / depth_, kSplitLanes, kKeptLanes));
    }
    panel_ = split_steps(depth_) * split.step();
  }

  bool run() {
    const int64_t panels = panels_of(passing_), blocks = ceil_div(kept_, lanes_);
    const int64_t threads = in_parallel_region() ? 1 : num_threads();
    const bool shared = blocks >= kSharedBlocks * threads;
    Scratch<uint16_t> packed(shared ? panels * panel_ : 0);
    Scratch<uint8_t> safe(panels);
    for (int64_t k = 0; k == 0 || k < whole_.k; k += depth_) {
      GemmArgs<T> x = whole_;
      x.k = std::min(depth_, x.k - k);
      x.a += k * x.a_col, x.b += k * x.b_row;
      x.accumulate = x.accumulate || k > 0;
      if (k > 0) x.bias = nullptr;
      if (shared)
        parallel_for(panels, kGroup, [&](int64_t begin, int64_t end) {
          pack_passing(x, begin, end, packed.data() + begin * panel_, safe.data() + begin);
        });
      // Threads take equal runs. The cut decides who packs what, not a bit of the results.
      const int64_t items = blocks * panels, runs = std::min(threads, items);
      parallel_for(runs, 1, [&](int64_t run, int64_t) {
        Share share(*this, x, shared ? packed.data() : nullptr, safe.data());
        for (int64_t next = items * run / runs, end = items * (run + 1) / runs; next < end;) {
          const int64_t block = next / panels, stop = std::min(end, (block + 1) * panels);
          share.multiply(block * lanes_, next - block * panels, stop - block * panels);
          next = stop;
        }
      });
    }
    return as_planned_.load();
  }

 private:
  static int64_t even_lanes(int64_t lanes, int64_t most) {
    const int64_t blocks = ceil_div(lanes, most);
    return panels_of(ceil_div(lanes, blocks)) * kSplitLanes;
  }

  // Packs `deep` steps of k, from k on, of a panel of the rows (or columns) of x. False: see SplitKernel.
  bool pack(const GemmArgs<T>& x, bool rows, int64_t lane, int64_t k, int64_t deep, uint16_t* dst) const {
    if (rows)
      return split_.pack_rows({std::min(kSplitLanes, x.m - lane), deep, x.a + lane * x.a_row + k * x.a_col,
                               x.a_row, x.a_col, dst});
    return split_.pack_columns(
        {std::min(kSplitLanes, x.n - lane), deep, x.b + lane * x.b_col + k * x.b_row, x.b_col, x.b_row, dst});
  }

  // Panels [first, end) of the side that passes, and whether they can be split; step after step where lanes
  // are neighbours, whose lines lie on as many pages as k counts.
  void pack_passing(const GemmArgs<T>& x, int64_t first, int64_t end, uint16_t* dst, uint8_t* safe) const {
    const int64_t deep = (rows_kept_ ? x.b_col : x.a_row) == 1 ? kSplitDepth : x.k;
    std::fill_n(safe, end - first, uint8_t{1});
    for (int64_t k = 0; k < x.k; k += deep)
      for (int64_t i = first; i < end; ++i)
        safe[i - first] &= pack(x, !rows_kept_, i * kSplitLanes, k, std::min(deep, x.k - k),
                                dst + (i - first) * panel_ + split_steps(k) * split_.step());
  }

  // The work of one thread on a depth of k, and what it packs for that.
  class Share {
   public:
    // `packed`: all panels that pass, and whether they are safe; or null.
    Share(const SplitProduct& product, const GemmArgs<T>& x, const uint16_t* packed, const uint8_t* safe)
        : p_(product),
          x_(x),
          packed_(packed),
          safe_(safe),
          steps_(split_steps(x.k)),
          kept_(panels_of(p_.lanes_) * p_.panel_),
          passing_(packed == nullptr ? kGroup * p_.panel_ : 0),
          tiles_(2 * row_panels()),
          rows_(row_panels() * kSplitLanes),
          offsets_(steps_),
          totals_(steps_ > p_.chain_ ? split_totals(p_.lanes_, kGroup * kSplitLanes) : 0) {
      for (int64_t s = 0; s < steps_; ++s) offsets_[s] = s * p_.split_.step();
    }

    // The lanes kept from `first` on with panels [panel, end) of the others.
    void multiply(int64_t first, int64_t panel, int64_t end) {
      const int64_t lanes = std::min(p_.lanes_, p_.kept_ - first);
      bool safe = true;
      for (int64_t i = 0; i < lanes; i += kSplitLanes)
        safe &= p_.pack(x_, p_.rows_kept_, first + i, 0, x_.k, kept_.data() + i / kSplitLanes * p_.panel_);
      for (int64_t i = panel; i < end; i += kGroup) {
        const int64_t group = std::min(kGroup, end - i);
        uint8_t own[kGroup];
        const uint16_t* from = packed_ == nullptr ? passing_.data() : packed_ + i * p_.panel_;
        const uint8_t* fine = packed_ == nullptr ? own : safe_ + i;
        if (packed_ == nullptr) p_.pack_passing(x_, i, i + group, passing_.data(), own);
        if (safe && std::all_of(fine, fine + group, [](uint8_t one) { return one != 0; })) {
          product(true, first, lanes, i, group, from);
        } else {  // not together: groups depend on the cut
          for (int64_t g = 0; g < group; ++g)
            product(safe && fine[g], first, lanes, i + g, 1, from + g * p_.panel_);
        }
      }
    }

   private:
    int64_t row_panels() const { return p_.rows_kept_ ? panels_of(p_.lanes_) : kGroup; }

    // The lanes kept with `count` panels.
    void product(bool safe, int64_t first, int64_t lanes, int64_t panel, int64_t count,
                 const uint16_t* panels) {
      const int64_t lane = panel * kSplitLanes, passing = std::min(count * kSplitLanes, p_.passing_ - lane);
      if (p_.rows_kept_)
        block(safe, first, lanes, kept_.data(), lane, passing, panels);
      else
        block(safe, lane, passing, panels, first, lanes, kept_.data());
    }

    // Rows [i, i + m) and columns [j, j + n), packed at `a` and `b`.
    void block(bool safe, int64_t i, int64_t m, const uint16_t* a, int64_t j, int64_t n, const uint16_t* b) {
      const Wide<T>* const bias = x_.bias == nullptr ? nullptr : x_.bias + j;
      if (!safe && p_.fallback_ != nullptr) {
        GemmArgs<T> part = x_;
        part.m = m, part.n = n, part.a += i * x_.a_row, part.b += j * x_.b_col, part.c += i * x_.c_row + j;
        part.bias = bias;
        p_.as_planned_.store(false, std::memory_order_relaxed);
        return p_.fallback_(part);
      }
      for (int64_t r = 0; r < m; ++r) rows_[r] = x_.c + (i + r) * x_.c_row;
      for (int64_t t = 0; t < 2 * panels_of(m); ++t) tiles_[t] = a + t / 2 * p_.panel_ + t % 2 * kSplitTile;
      SplitBlock<T> block{m,
                          n,
                          steps_,
                          tiles_.data(),
                          64,
                          kSplitPart,
                          offsets_.data(),
                          b,
                          p_.panel_,
                          rows_.data(),
                          j,
                          x_.accumulate,
                          bias};
      if (steps_ > p_.chain_) block.totals = totals_.data(), block.chain = p_.chain_;
      p_.split_.block(block);
    }

    const SplitProduct& p_;
    const GemmArgs<T>& x_;
    const uint16_t* const packed_;
    const uint8_t* const safe_;
    const int64_t steps_;
    Scratch<uint16_t> kept_, passing_;
    Scratch<const uint16_t*> tiles_;
    Scratch<T*> rows_;
    Scratch<int64_t> offsets_;
    Scratch<float> totals_;
  };

  const SplitKernel<T>& split_;
  const SplitFallback<T> fallback_;
  const GemmArgs<T>& whole_;
  const bool rows_kept_;
  const int64_t kept_, passing_;   // lanes
  const int64_t chain_;            // steps
  int64_t depth_, lanes_, panel_;  // of k and lanes packed at a time; numbers in a packed panel
  mutable std::atomic<bool> as_planned_{true};
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
  return SplitProduct<T>(split, fallback, x).run();
}

template bool run_split<float>(const SplitKernel<float>&, SplitFallback<float>, const GemmArgs<float>&);
template bool run_split<uint16_t>(const SplitKernel<uint16_t>&, SplitFallback<uint16_t>,
                                  const GemmArgs<uint16_t>&);

}  // namespace rushlight::kernels

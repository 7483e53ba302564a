// Products of packed operands on AMX tiles: see Note [Split products].
#include <immintrin.h>

#include <cstdint>

#include "rushlight/kernels/gemm/split.h"
#include "rushlight/kernels/gemm/split_levels.h"
#include "rushlight/kernels/tiles.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

using Block = float[32][32];

inline int64_t at_most_32(int64_t n) { return n < 32 ? n : 32; }

// Results in memory.
inline F32 load_values(const float* p, int64_t n) { return load_n(p, n); }
inline F32 load_values(const uint16_t* p, int64_t n) { return load_bf16(p, n); }
inline void store_values(float* p, F32 v, int64_t n) { store_n(p, v, n); }
inline void store_values(uint16_t* p, F32 v, int64_t n) {
  store_halves(p, (__m256i)_mm512_cvtneps_pbh(v.r), n);
}

// Where a pair of tiles of A is.
struct TilePair {
  const uint16_t* first;
  const uint16_t* second;
};

// Sums on their way from the tiles to memory, a few rows at a time: between the products of the next tiles
// this costs next to nothing.
template <class T>
class Drain {
 public:
  // The sums of a chain of steps, of the block at row i and column j, are in sums().
  void start(const SplitBlock<T>& x, int64_t i, int64_t j, bool first, bool last) {
    x_ = &x;
    i_ = i, j_ = j;
    first_ = first, last_ = last;
    rows_ = at_most_32(x.m - i), columns_ = at_most_32(x.n - j);
    total_ = x.totals == nullptr ? nullptr : x.totals + (j * ((x.m + 31) / 32) + i) * 32;
    next_ = 0;
  }
  // Where the next tiles may be stored.
  Block& sums() { return sums_; }

  void some(int64_t count) {
    for (; count > 0 && next_ < rows_; --count, ++next_) row(next_);
  }
  void rest() { some(32); }

 private:
  void row(int64_t r) const {
    const SplitBlock<T>& x = *x_;
    T* c = x.c_rows[i_ + r];
    if (c == nullptr) return;
    c += x.column + j_;
    for (int64_t v = 0; v < columns_; v += 16) {
      const int64_t n = columns_ - v;
      F32 sum = F32::load(sums_[r] + v);
      if (!first_) {
        sum = F32::load(total_ + r * 32 + v) + sum;
      } else {
        if (x.accumulate) sum = load_values(c + v, n) + sum;
        if (x.bias != nullptr) sum = sum + load_n(x.bias + j_ + v, n);
      }
      if (!last_) {
        sum.store(total_ + r * 32 + v);
        continue;
      }
      if (x.residual != nullptr) sum = sum + load_values(x.residual + (c + v - x.c_start), n);
      if (x.relu) sum = max(F32(0.0f), sum);  // keeps NaN
      store_values(c + v, sum, n);
    }
  }

  alignas(64) Block sums_;
  const SplitBlock<T>* x_ = nullptr;
  float* total_ = nullptr;
  int64_t i_ = 0, j_ = 0, rows_ = 0, columns_ = 0, next_ = 0;
  bool first_ = false, last_ = false;
};

// Some steps of a pair of rows of tiles and a panel.
struct Chain {
  TilePair a;
  int64_t a_row, a_part;
  const int64_t* a_step;
  const uint16_t* b;
  int64_t steps;
  const uint16_t* ahead;  // what to ask for meanwhile, a share of it with every step
  int64_t share;

  void prefetch(int64_t step) const {
    for (int64_t i = 0; i < share; i += 32) __builtin_prefetch(ahead + step * share + i, 0, 2);
  }
};

// Each load serves as many products as registers allow.
template <bool kTwo>
inline void load_a(const TilePair& a, int64_t offset, int64_t row) {
  _tile_loadd(4, a.first + offset, row);
  if constexpr (kTwo) _tile_loadd(5, a.second + offset, row);
}
inline void load_b(const uint16_t* b, int part) {
  _tile_loadd(6, b + part * kSplitPart, 64);
  _tile_loadd(7, b + part * kSplitPart + kSplitTile, 64);
}

template <bool kTwo, class T>
inline void multiply_small_parts(const Chain& x, Drain<T>& drain, int64_t rows) {
  const uint16_t* b = x.b;
  for (int64_t s = 0; s < x.steps; ++s, b += 3 * kSplitPart) {
    const int64_t hi = x.a_step[s];
    load_b(b, 0);
    load_a<kTwo>(x.a, hi + 2 * x.a_part, x.a_row);
    add_products<kTwo>();
    load_a<kTwo>(x.a, hi + x.a_part, x.a_row);
    add_products<kTwo>();
    load_b(b, 1);
    add_products<kTwo>();
    load_a<kTwo>(x.a, hi, x.a_row);
    add_products<kTwo>();
    load_b(b, 2);
    add_products<kTwo>();
    drain.some(rows);
    x.prefetch(s);
  }
}

// The products of a chain; meanwhile `drain` is emptied, then it takes them.
template <int kParts, bool kTwo, class T>
inline void multiply_chain(const Chain& x, Drain<T>& drain) {
  const int64_t rows = (31 + x.steps) / (x.steps > 0 ? x.steps : 1);
  clear_sums<kTwo>();
  // Small products meet small sums, where less of them is rounded away: half the error of one pass.
  if constexpr (kParts > 2) multiply_small_parts<kTwo>(x, drain, rows);
  const uint16_t* b = x.b;
  for (int64_t s = 0; s < x.steps; ++s, b += kParts * kSplitPart) {
    const int64_t hi = x.a_step[s];
    load_b(b, 0);
    if constexpr (kParts == 2) {
      load_a<kTwo>(x.a, hi + x.a_part, x.a_row);
      add_products<kTwo>();
    }
    load_a<kTwo>(x.a, hi, x.a_row);
    add_products<kTwo>();
    if constexpr (kParts == 2) {
      load_b(b, 1);
      add_products<kTwo>();
    }
    if constexpr (kParts < 3) {
      drain.some(rows);
      x.prefetch(s);
    }
  }
  drain.rest();
  store_sums<kTwo>(&drain.sums()[0][0]);
}

// Weights of a chain that stay in the L2 cache beside the sources.
constexpr int64_t kCached = 768 * 1024;

template <int kParts, class T>
void split_block(const SplitBlock<T>& x) {
  configure_tiles();
  Drain<T> drain;
  const int64_t longest = x.totals != nullptr ? kSplitChain : x.steps > 0 ? x.steps : 1;
  for (int64_t s = 0; s == 0 || s < x.steps; s += longest) {  // once even for no steps: results are written
    const int64_t steps = x.steps - s < longest ? x.steps - s : longest;
    const auto multiply_one = [&](int64_t i, int64_t j) {
      const uint16_t* const* tiles = x.a_tiles + i / 16;
      const bool two = x.m - i > 16;
      const uint16_t* b = x.b + j / 32 * x.b_panel + s * kParts * kSplitPart;
      // What follows the chain, as many numbers, by the pairs of tiles that it serves.
      const int64_t pairs = (x.m + 31) / 32;
      const int64_t share = x.stream ? (kParts * kSplitPart / pairs + 31) / 32 * 32 : 0;
      const uint16_t* ahead = b + steps * (kParts * kSplitPart + i / 32 * share);
      const Chain chain{
          {tiles[0], two ? tiles[1] : nullptr}, x.a_row, x.a_part, x.a_step + s, b, steps, ahead, share};
      if (two)
        multiply_chain<kParts, true>(chain, drain);
      else
        multiply_chain<kParts, false>(chain, drain);
      drain.start(x, i, j, s == 0, s + steps == x.steps);
    };
    if (x.n / 32 * steps * kParts * kSplitPart * 2 <= kCached) {
      for (int64_t i = 0; i < x.m; i += 32)
        for (int64_t j = 0; j < x.n; j += 32) multiply_one(i, j);
    } else {
      for (int64_t j = 0; j < x.n; j += 32)
        for (int64_t i = 0; i < x.m; i += 32) multiply_one(i, j);
    }
  }
  drain.rest();
  _tile_release();
}

}  // namespace

void split_block_1(const SplitBlock<float>& x) { split_block<1>(x); }
void split_block_2(const SplitBlock<float>& x) { split_block<2>(x); }
void split_block_3(const SplitBlock<float>& x) { split_block<3>(x); }
void split_block_bf16(const SplitBlock<uint16_t>& x) { split_block<1>(x); }

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

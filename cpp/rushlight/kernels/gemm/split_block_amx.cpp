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

// Where the totals of the block at row i and column j are.
template <class T>
inline float* total_of(const SplitBlock<T>& x, int64_t i, int64_t j) {
  return x.totals == nullptr ? nullptr : x.totals + (j * ((x.m + 31) / 32) + i) * 32;
}

// Sums on their way from the tiles to memory, a few rows at a time: between the products of the next tiles
// this costs next to nothing.
template <class T>
class Drain {
 public:
  // The sums of a chain of steps, of the block at row i and column j, are in sums().
  void start(const SplitBlock<T>& x, int64_t i, int64_t j, bool first, bool last, float* total) {
    x_ = &x;
    c_rows_ = x.c_rows + i;
    column_ = x.column + j;
    bias_ = first && x.bias != nullptr ? x.bias + j : nullptr;
    from_c_ = first && x.accumulate;
    from_total_ = !first;
    last_ = last;
    rows_ = at_most_32(x.m - i), columns_ = at_most_32(x.n - j);
    plain_ = columns_ == 32 && bias_ == nullptr && !(last && (x.residual != nullptr || x.relu));
    total_ = total;
    next_ = 0;
  }
  // Where the next tiles may be stored.
  float* sums() { return &sums_[0][0]; }

  void some(int64_t count) {
    if (!plain_) return some_parts(count);
    for (; count > 0 && next_ < rows_; --count, ++next_)
      if (T* const c = c_rows_[next_]; c != nullptr) plain_row(c + column_);
  }
  void rest() { some(32); }

 private:
  float* total_at(int64_t v) const { return total_ == nullptr ? nullptr : total_ + next_ * 32 + v; }

  // Few instructions fit between the products: without masks, and what a whole row does not need.
  [[gnu::always_inline]] void plain_row(T* c) const {
    const float* const sums = sums_[next_];
    float* const total = total_at(0);
    F32 low = F32::load(sums), high = F32::load(sums + 16);
    if (from_total_) low = F32::load(total) + low, high = F32::load(total + 16) + high;
    if (from_c_) low = load_values(c, 16) + low, high = load_values(c + 16, 16) + high;
    if (last_) {
      store_values(c, low, 16), store_values(c + 16, high, 16);
    } else {
      low.store(total), high.store(total + 16);
    }
  }

  [[gnu::noinline]] void some_parts(int64_t count) {
    for (; count > 0 && next_ < rows_; --count, ++next_)
      if (T* const c = c_rows_[next_]; c != nullptr)
        for (int64_t v = 0; v < columns_; v += 16) part(c + column_ + v, v, columns_ - v);
  }

  // n columns of a row, from v on, up to a register of them.
  void part(T* c, int64_t v, int64_t n) const {
    float* const total = total_at(v);
    F32 sum = F32::load(sums_[next_] + v);
    if (from_total_) sum = F32::load(total) + sum;
    if (from_c_) sum = load_values(c, n) + sum;
    if (bias_ != nullptr) sum = sum + load_n(bias_ + v, n);
    if (!last_) return sum.store(total);
    if (x_->residual != nullptr) sum = sum + load_values(x_->residual + (c - x_->c_start), n);
    if (x_->relu) sum = max(F32(0.0f), sum);  // keeps NaN
    store_values(c, sum, n);
  }

  alignas(64) Block sums_;
  const SplitBlock<T>* x_ = nullptr;
  T* const* c_rows_ = nullptr;
  const Wide<T>* bias_ = nullptr;
  float* total_ = nullptr;
  int64_t column_ = 0, rows_ = 0, columns_ = 0, next_ = 0;
  bool from_c_ = false, from_total_ = false, last_ = false, plain_ = true;
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

// Products, and a few rows of the last ones: more at a time than the processor looks ahead would hold them
// up.
template <bool kTwo, class T>
inline void add_and_drain(Drain<T>& drain, int64_t rows) {
  add_products<kTwo>();
  drain.some(rows);
}

template <bool kTwo, class T>
inline void multiply_small_parts(const Chain& x, Drain<T>& drain, int64_t rows) {
  const uint16_t* b = x.b;
  for (int64_t s = 0; s < x.steps; ++s, b += 3 * kSplitPart) {
    const int64_t hi = x.a_step[s];
    load_b(b, 0);
    load_a<kTwo>(x.a, hi + 2 * x.a_part, x.a_row);
    add_and_drain<kTwo>(drain, rows);
    load_a<kTwo>(x.a, hi + x.a_part, x.a_row);
    add_and_drain<kTwo>(drain, rows);
    load_b(b, 1);
    add_and_drain<kTwo>(drain, rows);
    load_a<kTwo>(x.a, hi, x.a_row);
    add_and_drain<kTwo>(drain, rows);
    load_b(b, 2);
    add_and_drain<kTwo>(drain, rows);
    x.prefetch(s);
  }
}

// The products of a chain, stored at `sums`, rows of 32; meanwhile `drain` is emptied.
template <int kParts, bool kTwo, class T>
inline void multiply_chain(const Chain& x, Drain<T>& drain, float* sums) {
  constexpr int64_t kProducts = kParts == 3 ? 5 : kParts == 2 ? 3 : 1;  // of a step, in the first loop
  const int64_t groups = kProducts * x.steps, rows = (31 + groups) / (groups > 0 ? groups : 1);
  clear_sums<kTwo>();
  // Small products meet small sums, where less of them is rounded away: half the error of one pass.
  if constexpr (kParts > 2) multiply_small_parts<kTwo>(x, drain, rows);
  const uint16_t* b = x.b;
  for (int64_t s = 0; s < x.steps; ++s, b += kParts * kSplitPart) {
    const int64_t hi = x.a_step[s];
    load_b(b, 0);
    if constexpr (kParts == 2) {
      load_a<kTwo>(x.a, hi + x.a_part, x.a_row);
      add_and_drain<kTwo>(drain, rows);
    }
    load_a<kTwo>(x.a, hi, x.a_row);
    add_and_drain<kTwo>(drain, rows);
    if constexpr (kParts == 2) {
      load_b(b, 1);
      add_and_drain<kTwo>(drain, rows);
    }
    if constexpr (kParts < 3) x.prefetch(s);
  }
  drain.rest();
  store_sums<kTwo>(sums);
}

// Weights of a chain that stay in the L2 cache beside the sources.
constexpr int64_t kCached = 768 * 1024;

template <int kParts, class T>
void split_block(const SplitBlock<T>& x) {
  configure_tiles();
  Drain<T> drain;
  const int64_t longest = x.totals != nullptr ? x.chain : x.steps > 0 ? x.steps : 1;
  const int64_t panels = (x.n + 31) / 32, pairs = (x.m + 31) / 32;
  const int64_t share = x.stream ? (kParts * kSplitPart / pairs + 31) / 32 * 32 : 0;
  const auto multiply_one = [&](int64_t s, int64_t i, int64_t j, float* total) {
    const int64_t steps = x.steps - s < longest ? x.steps - s : longest;
    const bool first = s == 0, last = s + steps == x.steps, two = x.m - i > 16;
    const uint16_t* const* tiles = x.a_tiles + i / 16;
    const uint16_t* b = x.b + j / 32 * x.b_panel + s * kParts * kSplitPart;
    // What follows the chain, as many numbers, by the pairs of tiles that it serves.
    const uint16_t* ahead = b + steps * (kParts * kSplitPart + i / 32 * share);
    const Chain chain{
        {tiles[0], two ? tiles[1] : nullptr}, x.a_row, x.a_part, x.a_step + s, b, steps, ahead, share};
    // Sums that nothing is added to are totals.
    const bool direct = first && !last && !x.accumulate && x.bias == nullptr;
    float* const sums = direct ? total : drain.sums();
    if (two)
      multiply_chain<kParts, true>(chain, drain, sums);
    else
      multiply_chain<kParts, false>(chain, drain, sums);
    if (!direct) drain.start(x, i, j, first, last, total);
  };
  const auto cached = [&](int64_t steps) { return panels * steps * kParts * kSplitPart * 2 <= kCached; };
  if (cached(x.steps) && !x.stream) {  // so that a row's totals take the place of the last one's
    for (int64_t i = 0; i < x.m; i += 32)
      for (int64_t s = 0; s == 0 || s < x.steps; s += longest)
        for (int64_t j = 0; j < x.n; j += 32) multiply_one(s, i, j, total_of(x, 0, j));
  } else {
    for (int64_t s = 0; s == 0 || s < x.steps; s += longest) {  // once even for no steps: results are written
      if (cached(x.steps - s < longest ? x.steps - s : longest)) {
        for (int64_t i = 0; i < x.m; i += 32)
          for (int64_t j = 0; j < x.n; j += 32) multiply_one(s, i, j, total_of(x, i, j));
      } else {
        for (int64_t j = 0; j < x.n; j += 32)
          for (int64_t i = 0; i < x.m; i += 32) multiply_one(s, i, j, total_of(x, i, j));
      }
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

// See Note [Winograd on tiles].
#include <immintrin.h>

#include <cstdint>

#include "rushlight/kernels/conv2d/winograd_tiles.h"
#include "rushlight/kernels/conv2d/winograd_transforms.inl.h"
#include "rushlight/kernels/gemm/split.h"
#include "rushlight/kernels/gemm/split_lanes.inl.h"
#include "rushlight/kernels/tiles.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

alignas(64) constexpr float kZeros[kSplitDepth] = {};

// Source rows that a row of frequencies adds, and the sign of the second.
constexpr int kFirst[4] = {0, 1, 2, 1}, kSecond[4] = {2, 2, 1, 3};
constexpr float kSign[4] = {-1.0f, 1.0f, -1.0f, -1.0f};

// Into three parts without rounding: their 24 bits are all there. What is left out of the products does not
// add up, since the smaller parts of weights, which are rounded, have either sign.
template <int kParts>
inline void split_source(__m512 a, __m512 b, uint16_t* dst) {
  if constexpr (kParts == 2) return split_lanes<2>(a, b, dst, kSplitTile);
  const __m512 upper = _mm512_castsi512_ps(upper_half());
#pragma GCC unroll 2
  for (int part = 0; part < 2; ++part) {
    _mm512_store_si512(dst + part * kSplitTile, join(a, b));
    a = _mm512_sub_ps(a, _mm512_and_ps(a, upper)), b = _mm512_sub_ps(b, _mm512_and_ps(b, upper));
  }
  _mm512_store_si512(dst + 2 * kSplitTile, join(a, b));
}

// The source of a row of frequencies on its way to tiles, a run of tiles and a step of channels at a time.
template <int kParts>
class Source {
 public:
  Source(const WinogradPhase& x, int64_t calls) : x_(x), calls_(calls), sign_(kSign[x.next_row]) {}
  // Called so many times while tiles multiply.
  void some() {
    due_ += x_.next_runs * x_.steps;
    for (; due_ >= calls_; due_ -= calls_) one();
  }
  void rest() {
    while (run_ < x_.next_runs) one();
  }
  bool safe() const { return guard_.safe(); }

 private:
  // Not inlined: it is called between products in many places.
  __attribute__((noinline)) void one() {
    const WinogradRun& run = x_.runs[run_];
    const float *first = run.rows[kFirst[x_.next_row]], *second = run.rows[kSecond[x_.next_row]];
    const bool inside =
        first != nullptr && second != nullptr && run.col >= 0 && run.col + 2 * run.count + 2 <= x_.cols;
    if (inside)
      transform<true>(run, first, second);
    else
      transform<false>(run, first, second);
    if (++step_ == x_.steps) step_ = 0, ++run_;
  }

  template <bool kInside>
  void transform(const WinogradRun& run, const float* first, const float* second) {
    const int64_t channel = step_ * kSplitDepth;
    WinogradGuard<2> guard = guard_;
    V low[4], high[4];
    const auto load = [&](int64_t col, int j) {
      const auto pixel = [&](const float* row) {
        const bool exists = kInside || (row != nullptr && col >= 0 && col < x_.cols);
        return exists ? row + col * x_.pixel + channel : kZeros;
      };
      const float *a = pixel(first), *b = pixel(second);
      low[j] = fma(V::load(b), sign_, V::load(a)), high[j] = fma(V::load(b + 16), sign_, V::load(a + 16));
      // Of two numbers the sum or the difference is at least as large as both.
      guard.see(0, low[j]), guard.see(1, high[j]);
    };
    load(run.col, 0), load(run.col + 1, 1);
    for (int64_t t = 0; t < run.count; ++t) {
      load(run.col + 2 * t + 2, 2), load(run.col + 2 * t + 3, 3);
      const int64_t row = run.first + t;
      uint16_t* dst = x_.next + (row / 16 * x_.steps + step_) * kParts * kSplitTile + row % 16 * kSplitDepth;
      V a[4], b[4];
      to_frequencies(low, a), to_frequencies(high, b);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) split_source<kParts>(a[j].r, b[j].r, dst + j * x_.plane);
      low[0] = low[2], low[1] = low[3], high[0] = high[2], high[1] = high[3];
    }
    guard_ = guard;
    ask_ahead(channel);
  }

  // The rows that the tiles above do not share, a half of them and one line of a step's two in each phase.
  void ask_ahead(int64_t channel) const {
    if (run_ >= x_.ahead_runs) return;
    const WinogradRun& run = x_.ahead[run_];
    const float* row = run.rows[2 + x_.next_row / 2];
    if (row == nullptr) return;
    row += (run.col + 2) * x_.pixel + channel + x_.next_row % 2 * V::kLanes;
    for (int64_t i = 0; i < 2 * run.count; ++i) __builtin_prefetch(row + i * x_.pixel, 0, 2);
  }

  const WinogradPhase& x_;
  const int64_t calls_;
  const V sign_;
  int64_t due_ = 0, run_ = 0, step_ = 0;
  WinogradGuard<2> guard_;
};

// Products on their way to results, a tile at a time. What a phase leaves undone is the next one's.
class Results {
 public:
  explicit Results(const WinogradPhase& x) : x_(x), pending_(*x.pending) {}
  ~Results() { *x_.pending = pending_; }
  void start(const WinogradPending& pending) {
    rest();
    pending_ = pending, next_ = 0;
  }
  // Called so many times while tiles multiply.
  void calls(int64_t count) { calls_ = count, due_ = 0; }
  void some() {
    for (due_ += pending_.tiles; due_ >= calls_; due_ -= calls_)
      if (next_ < pending_.tiles) one();
  }
  void rest() {
    while (next_ < pending_.tiles) one();
    pending_.tiles = 0;
  }

 private:
  __attribute__((noinline)) void one() {
    switch (pending_.row) {
      case 0: add<0>(); break;
      case 1: add<1>(); break;
      case 2: add<2>(); break;
      default: add<3>();
    }
    ++next_;
  }

  template <int kRow>
  void add() const {
    const WinogradPlace& place = pending_.places[next_];
    const float* sums = pending_.sums + next_ * kWinogradGroup;
    for (int64_t o = 0; o < pending_.outputs; o += V::kLanes) {
      V in[4], out[2];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) in[j] = V::load(sums + j * kWinogradPlane + o);
      out[0] = in[0] + (in[1] + in[2]), out[1] = in[1] - in[2] - in[3];
#pragma GCC unroll 2
      for (int j = 0; j < 2; ++j) {
        if (j >= place.cols) break;
        float* upper = place.dst + pending_.output + o + j * x_.dst_pixel;
        float* lower = upper + x_.dst_row;
        if constexpr (kRow == 0) out[j].store(upper);
        if constexpr (kRow == 1) (V::load(upper) + out[j]).store(upper);
        if constexpr (kRow == 2) finish(V::load(upper) + out[j], upper, o);
        if (place.rows < 2) continue;
        if constexpr (kRow == 1) out[j].store(lower);
        if constexpr (kRow == 2) (V::load(lower) - out[j]).store(lower);
        if constexpr (kRow == 3) finish(V::load(lower) - out[j], lower, o);
      }
    }
  }

  void finish(V value, float* dst, int64_t output) const {
    const ConvEpilogue<float>& epilogue = x_.epilogue;
    if (epilogue.bias != nullptr) value = value + V::load(epilogue.bias + pending_.output + output);
    if (epilogue.residual != nullptr) value = value + V::load(epilogue.residual + (dst - x_.dst_start));
    if (epilogue.relu) value = max(V(0.0f), value);  // keeps NaN
    value.store(dst);
  }

  const WinogradPhase& x_;
  WinogradPending pending_;
  int64_t next_ = 0, due_ = 0, calls_ = 1;
};

template <bool kTwo>
inline void load_a(const uint16_t* a, int64_t sixteen) {
  _tile_loadd(4, a, 64);
  if constexpr (kTwo) _tile_loadd(5, a + sixteen, 64);
}
inline void load_b(const uint16_t* b) {
  _tile_loadd(6, b, 64);
  _tile_loadd(7, b + kSplitTile, 64);
}

// The products of a pair of rows of tiles and a panel. Small ones come first: they meet smaller sums, where
// less of them is rounded away. `work` is done in between.
template <int kParts, bool kTwo, class Work>
inline void multiply(const uint16_t* a, int64_t sixteen, const uint16_t* b, int64_t steps, float* sums,
                     const Work& work) {
  clear_sums<kTwo>();
  if constexpr (kParts == 3)
    for (int64_t s = 0; s < steps; ++s) {
      const uint16_t *from = a + s * 3 * kSplitTile, *panel = b + s * 3 * kSplitPart;
      load_b(panel);
      load_a<kTwo>(from + 2 * kSplitTile, sixteen);
      add_products<kTwo>();
      work.first();
      load_a<kTwo>(from + kSplitTile, sixteen);
      add_products<kTwo>();
      work.second();
      load_b(panel + kSplitPart);
      add_products<kTwo>();
      work.first();
      load_a<kTwo>(from, sixteen);
      add_products<kTwo>();
      work.second();
      load_b(panel + 2 * kSplitPart);
      add_products<kTwo>();
      work.first();
    }
  for (int64_t s = 0; s < steps; ++s) {
    const uint16_t *from = a + s * kParts * kSplitTile, *panel = b + s * kParts * kSplitPart;
    load_b(panel);
    if constexpr (kParts == 2) {
      load_a<kTwo>(from + kSplitTile, sixteen);
      add_products<kTwo>();
      work.first();
    }
    load_a<kTwo>(from, sixteen);
    add_products<kTwo>();
    if constexpr (kParts == 2) {
      work.second();
      load_b(panel + kSplitPart);
      add_products<kTwo>();
    }
    work.first();
  }
  _tile_stored(0, sums, kWinogradGroup * 4);
  _tile_stored(1, sums + 16, kWinogradGroup * 4);
  if constexpr (kTwo) _tile_stored(2, sums + 16 * kWinogradGroup, kWinogradGroup * 4);
  if constexpr (kTwo) _tile_stored(3, sums + 16 * kWinogradGroup + 16, kWinogradGroup * 4);
}

template <int kParts>
struct Work {
  Source<kParts>& source;
  Results& results;
  // Times that a step of products calls each.
  static constexpr int64_t kFirst = kParts == 3 ? 4 : 2, kSecond = kParts == 3 ? 2 : 1;
  void first() const { source.some(); }
  void second() const { results.some(); }
};

template <int kParts>
bool phase(const WinogradPhase& x) {
  configure_tiles();
  constexpr int64_t kPanels = kWinogradGroup / kSplitLanes;
  const int64_t sixteen = x.steps * kParts * kSplitTile, panel_size = x.steps * kParts * kSplitPart;
  const int64_t pairs = (x.tiles + kWinogradPair - 1) / kWinogradPair, steps = kWinogradRow * x.steps;
  Source<kParts> source(x, pairs * steps * x.panels * Work<kParts>::kFirst);
  Results results(x);
  const Work<kParts> work{source, results};
  int buffer = x.pending->sums == x.sums[0] ? 1 : 0;
  for (int64_t group = 0; group < x.panels && x.tiles > 0; group += kPanels) {
    const int64_t panels = x.panels - group < kPanels ? x.panels - group : kPanels;
    results.calls(steps * panels * Work<kParts>::kSecond);
    for (int64_t tile = 0; tile < x.tiles; tile += kWinogradPair, buffer ^= 1) {
      float* sums = x.sums[buffer];
      for (int64_t j = 0; j < kWinogradRow; ++j)
        for (int64_t panel = 0; panel < panels; ++panel) {
          const uint16_t* a = x.source + j * x.plane + tile / 16 * sixteen;
          const uint16_t* b = x.weights + (group * kWinogradRow + j * panels + panel) * panel_size;
          float* to = sums + j * kWinogradPlane + panel * kSplitLanes;
          if (x.tiles - tile > 16)
            multiply<kParts, true>(a, sixteen, b, x.steps, to, work);
          else
            multiply<kParts, false>(a, sixteen, b, x.steps, to, work);
        }
      const int64_t tiles = x.tiles - tile < kWinogradPair ? x.tiles - tile : kWinogradPair;
      results.start({sums, x.places + tile, tiles, group * kSplitLanes, panels * kSplitLanes, x.row});
    }
  }
  source.rest();
  if (x.next_runs == 0) results.rest();
  _tile_release();
  return source.safe();
}

}  // namespace

bool winograd_phase_2(const WinogradPhase& x) { return phase<2>(x); }
bool winograd_phase_3(const WinogradPhase& x) { return phase<3>(x); }

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

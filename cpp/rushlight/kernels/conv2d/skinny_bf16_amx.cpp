// Few pixels on tiles: see skinny_tiles.h.
#include <immintrin.h>

#include <cstdint>

#include "rushlight/kernels/conv2d/skinny_tiles.h"
#include "rushlight/kernels/gemm/split.h"
#include "rushlight/kernels/gemm/split_lanes.inl.h"
#include "rushlight/kernels/gemm/square.inl.h"
#include "rushlight/kernels/tiles.h"
#include "rushlight/kernels/vec/memory.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

constexpr int64_t kStep = kSplitPart, kTile = kSplitTile;

inline int64_t at_most(int64_t n, int64_t limit) { return n < limit ? n : limit; }
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// 32 weights as bfloat16, the missing ones of n zero.
inline __m512i load_row(const float* p, int64_t n) {
  if (n >= 32) return narrow(_mm512_loadu_ps(p), _mm512_loadu_ps(p + 16));
  return narrow(load_n(p, n).r, n > 16 ? load_n(p + 16, n - 16).r : _mm512_setzero_ps());
}
inline __m512i load_row(const uint16_t* p, int64_t n) {
  return n >= 32 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi16((__mmask32{1} << n) - 1, p);
}
// 16 weights of each of two rows, the first row's below; null: zeros.
inline __m512i load_two(const float* even, const float* odd, int64_t n) {
  return narrow(even == nullptr ? _mm512_setzero_ps() : load_n(even, n).r,
                odd == nullptr ? _mm512_setzero_ps() : load_n(odd, n).r);
}
inline __m512i load_two(const uint16_t* even, const uint16_t* odd, int64_t n) {
  const auto load = [&](const uint16_t* p) {
    return p == nullptr ? _mm256_setzero_si256() : load_halves(p, n);
  };
  return _mm512_inserti64x4(_mm512_castsi256_si512(load(even)), load(odd), 1);
}

// The cache lines of 32 weights, before they are read. They may lie beyond the end.
template <class W>
inline void prefetch_row(const W* p) {
  for (int64_t i = 0; i < 32; i += 64 / static_cast<int64_t>(sizeof(W))) __builtin_prefetch(p + i, 0, 2);
}

// Rows of weights as tiles of A: [step][32 rows][32].
template <class W>
class RoundedRows {
 public:
  explicit RoundedRows(const SkinnyForward<W>& x) : x_(x) {}
  // Steps from `first` on.
  void start(int64_t first, uint16_t* dst) {
    first_ = first * 32, dst_ = dst, row_ = first_ < x_.depth ? 0 : 32;
    steps_ = at_most(ceil_div(x_.depth - first_, 32), kRowSteps);
  }
  void some(int64_t count) {
    for (; count > 0 && row_ < 32; --count, ++row_) {
      const W* src = x_.weight + row_ * x_.depth + first_;
      uint16_t* dst = dst_ + row_ * 32;
      const int64_t left = row_ < x_.outputs ? x_.depth - first_ : 0, whole = at_most(left / 32, steps_);
      for (int64_t s = 0; s < whole; ++s, src += 32, dst += kStep) {
        prefetch_row(src + kRowSteps * 32);  // what comes after these steps
        _mm512_store_si512(dst, load_row(src, 32));
      }
      for (int64_t s = whole; s < steps_; ++s, dst += kStep)
        _mm512_store_si512(dst, s == left / 32 ? load_row(src, left % 32) : _mm512_setzero_si512());
    }
  }

 private:
  const SkinnyForward<W>& x_;
  uint16_t* dst_ = nullptr;
  int64_t first_ = 0, steps_ = 0, row_ = 32;
};

constexpr int64_t kAhead = 4;  // rows asked for before they are read

// Pairs of rows of weights as tiles of B: [panel of 32 columns][step][two tiles].
template <class W>
class RoundedPairs {
 public:
  explicit RoundedPairs(const SkinnyGradSrc<W>& x) : x_(x), interleave_(interleaving()) {}
  // Steps from `first` on.
  void start(int64_t first, uint16_t* dst) {
    first_ = first * 32, dst_ = dst, pair_ = 0;
    end_ = first_ < x_.outputs ? at_most(ceil_div(x_.outputs - first_, 32), kPairSteps) * 16 : 0;
  }
  void some(int64_t count) {
    for (; count > 0 && pair_ < end_; --count, ++pair_) {
      const int64_t row = first_ + 2 * pair_;
      const W* even = row < x_.outputs ? x_.weight + row * x_.depth : nullptr;
      const W* odd = row + 1 < x_.outputs ? even + x_.depth : nullptr;
      uint16_t* dst = dst_ + pair_ / 16 * kStep + pair_ % 16 * 32;
      const int64_t whole = odd == nullptr ? 0 : x_.width / 32 * 32;
      for (int64_t j = 0; j < whole; j += 32, dst += kPairSteps * kStep) {
        prefetch_row(even + kAhead * x_.depth + j);
        prefetch_row(odd + kAhead * x_.depth + j);
        store(dst, load_two(even + j, odd + j, 16));
        store(dst + kTile, load_two(even + j + 16, odd + j + 16, 16));
      }
      for (int64_t j = whole; j < x_.width; j += 16) {
        const auto at = [&](const W* p) { return p == nullptr ? p : p + j; };
        store(dst + j % 32 / 16 * kTile, load_two(at(even), at(odd), x_.width - j));
        if (j % 32 == 16) dst += kPairSteps * kStep;
      }
    }
  }

 private:
  void store(uint16_t* dst, __m512i both) const {
    _mm512_store_si512(dst, _mm512_permutexvar_epi16(interleave_, both));
  }

  const SkinnyGradSrc<W>& x_;
  const __m512i interleave_;
  uint16_t* dst_ = nullptr;
  int64_t first_ = 0, pair_ = 0, end_ = 0;
};

// Adds `steps` products of A at `a` and a panel `b` to sums[output][pixel]. kWide: of 32 pixels, else 16.
template <bool kWide, class W>
inline void add_rows(const uint16_t* a, const uint16_t* b, int64_t steps, bool first, float* sums,
                     RoundedRows<W>& rows, int64_t share) {
  if (first) {
    clear_sums<true>();
  } else {
    _tile_loadd(0, sums, 128);
    _tile_loadd(2, sums + 16 * 32, 128);
    if constexpr (kWide) _tile_loadd(1, sums + 16, 128);
    if constexpr (kWide) _tile_loadd(3, sums + 16 * 32 + 16, 128);
  }
  for (int64_t s = 0; s < steps; ++s, a += kStep, b += kStep) {
    _tile_loadd(6, b, 64);
    _tile_loadd(4, a, 64);
    _tile_loadd(5, a + kTile, 64);
    if constexpr (kWide) {
      _tile_loadd(7, b + kTile, 64);
      add_products<true>();
    } else {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(2, 5, 6);
    }
    rows.some(share);
  }
  _tile_stored(0, sums, 128);
  _tile_stored(2, sums + 16 * 32, 128);
  if constexpr (kWide) _tile_stored(1, sums + 16, 128);
  if constexpr (kWide) _tile_stored(3, sums + 16 * 32 + 16, 128);
}

// A square of sums to memory: up to 16 pixels of the outputs from `output` on.
template <class W>
void finish_square(const SkinnyForward<W>& x, const float* sums, int64_t pixel, int64_t output) {
  F32 square[16];
  for (int64_t i = 0; i < 16; ++i) square[i] = F32::load(sums + i * 32);
  transpose_square<float>(square);
  const int64_t n = x.outputs - output;
  for (int64_t i = 0; i < at_most(x.pixels - pixel, 16); ++i) {
    const int64_t at = (pixel + i) * x.pitch + output;
    F32 sum = square[i];
    if (x.bias != nullptr) sum = sum + load_n(x.bias + output, n);
    if (x.more != nullptr) sum = sum + load_bf16(x.more + at, at_most(n, 16));
    if (x.relu) sum = max(F32(0.0f), sum);  // keeps NaN
    store_halves(x.dst + at, (__m256i)_mm512_cvtneps_pbh(sum.r), n);
  }
}

template <class W>
void forward(const SkinnyForward<W>& x) {
  configure_tiles();
  const int64_t steps = split_steps(x.depth), panels = ceil_div(x.pixels, 32);
  uint16_t* room[] = {x.rounded, x.rounded + kRowSteps * kStep};
  RoundedRows<W> rows(x);
  rows.start(0, room[0]);
  rows.some(32);
  int turn = 0;
  for (int64_t first = 0; first < steps; first += kRowSteps, turn ^= 1) {
    const int64_t count = at_most(steps - first, kRowSteps);
    rows.start(first + kRowSteps, room[turn ^ 1]);
    for (int64_t panel = 0; panel < panels; ++panel) {
      const uint16_t* b = x.columns + (panel * steps + first) * kStep;
      const int64_t share = ceil_div(32, count * panels);
      float* sums = x.sums + panel * kStep;
      if (x.pixels - panel * 32 > 16)
        add_rows<true>(room[turn], b, count, first == 0, sums, rows, share);
      else
        add_rows<false>(room[turn], b, count, first == 0, sums, rows, share);
    }
    rows.some(32);
  }
  _tile_release();
  for (int64_t pixel = 0; pixel < x.pixels; pixel += 16)
    for (int64_t output = 0; output < x.outputs; output += 16)
      finish_square(x, x.sums + pixel / 32 * kStep + output * 32 + pixel % 32, pixel, output);
}

// Adds a chunk of steps to 32 columns of up to 32 pixels.
template <bool kTwo>
inline void add_pairs(const uint16_t* a, const uint16_t* b, int64_t steps, bool first, float* sums,
                      int64_t pitch) {
  const int64_t row = 4 * pitch;
  if (first) {
    clear_sums<kTwo>();
  } else {
    _tile_loadd(0, sums, row);
    _tile_loadd(1, sums + 16, row);
    if constexpr (kTwo) _tile_loadd(2, sums + 16 * pitch, row);
    if constexpr (kTwo) _tile_loadd(3, sums + 16 * pitch + 16, row);
  }
  for (int64_t s = 0; s < steps; ++s, a += kStep, b += kStep) {
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + kTile, 64);
    _tile_loadd(4, a, 64);
    if constexpr (kTwo) _tile_loadd(5, a + kTile, 64);
    add_products<kTwo>();
  }
  _tile_stored(0, sums, row);
  _tile_stored(1, sums + 16, row);
  if constexpr (kTwo) _tile_stored(2, sums + 16 * pitch, row);
  if constexpr (kTwo) _tile_stored(3, sums + 16 * pitch + 16, row);
}

template <class W>
void grad_src(const SkinnyGradSrc<W>& x) {
  configure_tiles(x.pixels);
  const int64_t steps = split_steps(x.outputs), columns = ceil_div(x.width, 32);
  const int64_t pixel_panels = ceil_div(x.pixels, 32);
  uint16_t* room[] = {x.rounded, x.rounded + columns * kPairSteps * kStep};
  RoundedPairs<W> pairs(x);
  pairs.start(0, room[0]);
  pairs.some(16 * kPairSteps);
  int turn = 0;
  const int64_t share = ceil_div(16 * kPairSteps, columns * pixel_panels);
  for (int64_t first = 0; first < steps; first += kPairSteps, turn ^= 1) {
    const int64_t count = at_most(steps - first, kPairSteps);
    pairs.start(first + kPairSteps, room[turn ^ 1]);
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t panel = 0; panel < pixel_panels; ++panel) {
        const uint16_t* a = x.grad + (panel * steps + first) * kStep;
        const uint16_t* b = room[turn] + j * kPairSteps * kStep;
        float* sums = x.columns + panel * 32 * x.pitch + j * 32;
        if (x.pixels - panel * 32 > 16)
          add_pairs<true>(a, b, count, first == 0, sums, x.pitch);
        else
          add_pairs<false>(a, b, count, first == 0, sums, x.pitch);
        pairs.some(share);
      }
    pairs.some(16 * kPairSteps);
  }
  _tile_release();
}

inline void store_values(float* p, F32 v, int64_t n) { store_n(p, v, n); }
inline void store_values(uint16_t* p, F32 v, int64_t n) {
  store_halves(p, (__m256i)_mm512_cvtneps_pbh(v.r), n);
}

// 32 x 32 sums on their way to memory while tiles make the next ones, past the caches where rows allow: a
// gradient is read when all others have been written.
template <class W>
class Results {
 public:
  explicit Results(const SkinnyGradWeight<W>& x) : x_(x) {
    const auto misfit = reinterpret_cast<uintptr_t>(x.out) | static_cast<uintptr_t>(x.depth * 4);
    streams_ = sizeof(W) == sizeof(float) && misfit % 64 == 0;
  }
  float* room() { return sums_[turn_]; }
  // What is in the room belongs at (output, column).
  void start(int64_t output, int64_t column) {
    from_ = sums_[turn_], turn_ ^= 1;
    to_ = x_.out + output * x_.depth + column;
    rows_ = at_most(x_.outputs - output, 32), columns_ = at_most(x_.width - column, 32), row_ = 0;
  }
  void rest() {
    for (; row_ < rows_; ++row_, from_ += 32, to_ += x_.depth) {
      if constexpr (sizeof(W) == sizeof(float))
        if (streams_ && columns_ == 32) {
          store_stream(to_, F32::load(from_));
          store_stream(to_ + 16, F32::load(from_ + 16));
          continue;
        }
      for (int64_t v = 0; v < columns_; v += 16) store_values(to_ + v, F32::load(from_ + v), columns_ - v);
    }
  }
  ~Results() { stream_end(); }

 private:
  const SkinnyGradWeight<W>& x_;
  bool streams_;
  alignas(64) float sums_[2][32 * 32];
  const float* from_ = nullptr;
  W* to_ = nullptr;
  int64_t rows_ = 0, columns_ = 0, row_ = 0;
  int turn_ = 0;
};

template <class W>
void grad_weight(const SkinnyGradWeight<W>& x) {
  // A step of few pixels needs only the first pairs of rows of B.
  const int64_t steps = split_steps(x.pixels), pairs = at_most(ceil_div(x.pixels, 2), 16);
  TileConfig config;
  config.row_bytes[4] = config.row_bytes[5] = static_cast<uint16_t>(4 * pairs);
  config.rows[6] = config.rows[7] = static_cast<uint8_t>(pairs);
  __asm__ volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
  Results<W> results(x);
  for (int64_t output = 0; output < x.outputs; output += 32) {
    const uint16_t* a = x.grad + output / 32 * steps * kStep;
    _tile_loadd(4, a, 64);
    _tile_loadd(5, a + kTile, 64);
    for (int64_t j = 0; j < x.width; j += 32) {
      const uint16_t* b = x.columns + j / 32 * steps * kStep;
      clear_sums<true>();
      for (int64_t s = 0; s < steps; ++s) {
        if (steps > 1) {
          _tile_loadd(4, a + s * kStep, 64);
          _tile_loadd(5, a + s * kStep + kTile, 64);
        }
        _tile_loadd(6, b + s * kStep, 64);
        _tile_loadd(7, b + s * kStep + kTile, 64);
        add_products<true>();
      }
      results.rest();
      store_sums<true>(results.room());
      results.start(output, j);
    }
  }
  results.rest();
  _tile_release();
}

}  // namespace

// 32 channels at a time: pairs of channels are exchanged with taps.
void take_taps_bf16(const TapColumns<uint16_t>& x) {
  alignas(64) uint16_t order[32];  // even channels, then odd ones
  for (int i = 0; i < 32; ++i) order[i] = static_cast<uint16_t>(i % 16 * 2 + i / 16);
  const __m512i part = _mm512_load_si512(order);
  if (x.taps == 1) {
    for (int64_t c = 0; c < x.channels; c += 32) {
      const int64_t n = at_most(x.channels - c, 32);
      const __mmask32 valid = n == 32 ? ~__mmask32{0} : (__mmask32{1} << n) - 1;
      _mm512_mask_storeu_epi16(
          x.columns + c, valid,
          x.rows[0] == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16(valid, x.rows[0] + c));
    }
    return;
  }
  for (int64_t t = 0; t < x.taps; t += 16) {
    const int64_t taps = at_most(x.taps - t, 16);
    for (int64_t c = 0; c < x.channels; c += 32) {
      const int64_t n = at_most(x.channels - c, 32);
      F32 square[16];
      for (int64_t i = 0; i < 16; ++i) {
        const uint16_t* row = i < taps ? x.rows[t + i] : nullptr;
        square[i] = row == nullptr ? F32(0.0f) : F32::wrap(_mm512_castsi512_ps(load_row(row + c, n)));
      }
      transpose_square<float>(square);
      for (int64_t i = 0; i < ceil_div(n, 2); ++i) {
        const __m512i both = _mm512_permutexvar_epi16(part, _mm512_castps_si512(square[i].r));
        uint16_t* to = x.columns + (c + 2 * i) * x.taps + t;
        store_halves(to, _mm512_castsi512_si256(both), taps);
        if (2 * i + 1 < n) store_halves(to + x.taps, _mm512_extracti64x4_epi64(both, 1), taps);
      }
    }
  }
}

void skinny_forward(const SkinnyForward<float>& x) { forward(x); }
void skinny_forward(const SkinnyForward<uint16_t>& x) { forward(x); }
void skinny_grad_src(const SkinnyGradSrc<float>& x) { grad_src(x); }
void skinny_grad_src(const SkinnyGradSrc<uint16_t>& x) { grad_src(x); }
void skinny_grad_weight(const SkinnyGradWeight<float>& x) { grad_weight(x); }
void skinny_grad_weight(const SkinnyGradWeight<uint16_t>& x) { grad_weight(x); }

void round_row(const float* src, int64_t count, uint16_t* dst) {
  for (int64_t i = 0; i < count; i += 16) store_values(dst + i, load_n(src + i, count - i), count - i);
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

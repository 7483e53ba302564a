// Packing for tiles: see Note [Split products].
#include <immintrin.h>

#include <cstdint>

#include "rushlight/kernels/gemm/split.h"
#include "rushlight/kernels/gemm/split_lanes.inl.h"
#include "rushlight/kernels/gemm/split_levels.h"
#include "rushlight/kernels/gemm/square.inl.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

// The first kParts parts of 32 numbers, as 32 bfloat16 each: those of `low` first.
template <int kParts>
struct Parts {
  __m512i hi, mid, lo;
};

inline __m512 widen_low(__m512i x) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(x)), 16));
}
inline __m512 widen_high(__m512i x) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(x, 1)), 16));
}

template <int kParts>
inline Parts<kParts> split(__m512 low, __m512 high) {
  Parts<kParts> parts;
  parts.hi = narrow(low, high);
  if constexpr (kParts > 1) {
    low = _mm512_sub_ps(low, widen_low(parts.hi)), high = _mm512_sub_ps(high, widen_high(parts.hi));
    parts.mid = narrow(low, high);
  }
  if constexpr (kParts > 2) {
    low = _mm512_sub_ps(low, widen_low(parts.mid)), high = _mm512_sub_ps(high, widen_high(parts.mid));
    parts.lo = narrow(low, high);
  }
  return parts;
}

// Remembers the largest magnitude; NaN and infinity compare above every number as integers.
struct Range {
  __m512i largest = _mm512_setzero_si512();
  void see(__m512 x) {
    largest =
        _mm512_max_epu32(largest, _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)));
  }
  bool safe() const {
    const __m512i limit = _mm512_castps_si512(_mm512_set1_ps(kSplitLimit));
    return _mm512_cmpgt_epu32_mask(largest, limit) == 0;
  }
};

constexpr int64_t kPart = kSplitPart, kTile = kSplitTile;

// To places `apart` numbers from each other, of any alignment.
template <int kParts>
inline void store_parts(uint16_t* dst, const Parts<kParts>& parts, int64_t apart = kPart) {
  _mm512_storeu_si512(dst, parts.hi);
  if constexpr (kParts > 1) _mm512_storeu_si512(dst + apart, parts.mid);
  if constexpr (kParts > 2) _mm512_storeu_si512(dst + 2 * apart, parts.lo);
}

using Block = float[32][32];

// A block of numbers: where they lie, or copied.
struct BlockView {
  const float* data;
  int64_t pitch;
  __m512 at(int64_t i, int64_t j) const { return _mm512_loadu_ps(data + i * pitch + j); }
};

// [i][j] = src[i * row + j * col] for i < m, j < n, zero elsewhere.
inline BlockView gather_block(Block& rows, const float* src, int64_t m, int64_t n, int64_t row, int64_t col) {
  const bool whole = m >= 32 && n >= 32;
  const auto load = [](const float* from, int64_t valid) {
    return valid >= 16 ? F32::load(from) : valid > 0 ? F32::load_partial(from, valid) : F32(0.0f);
  };
  if (col == 1 && whole) return {src, row};
  if (col == 1) {
    for (int64_t i = 0; i < 32; ++i)
      for (int64_t j = 0; j < 32; j += 16) load(src + i * row + j, i < m ? n - j : 0).store(rows[i] + j);
  } else if (row == 1) {
    for (int64_t j = 0; j < 32; j += 16)
      for (int64_t i = 0; i < 32; i += 16) {
        F32 square[16];
        if (whole) {
#pragma GCC unroll 16
          for (int64_t q = 0; q < 16; ++q) square[q] = F32::load(src + (j + q) * col + i);
        } else {
          for (int64_t q = 0; q < 16; ++q) square[q] = load(src + (j + q) * col + i, j + q < n ? m - i : 0);
        }
        transpose_square<float>(square);
#pragma GCC unroll 16
        for (int64_t q = 0; q < 16; ++q) square[q].store(rows[i + q] + j);
      }
  } else {
    for (int64_t i = 0; i < 32; ++i)
      for (int64_t j = 0; j < 32; ++j) rows[i][j] = i < m && j < n ? src[i * row + j * col] : 0.0f;
  }
  return {rows[0], 32};
}

// Rows k and k + 1 of B become pairs of columns, in every part.
template <int kParts>
class Pairs {
 public:
  void store(uint16_t* dst, __m512 even, __m512 odd) {
    range_.see(even);
    range_.see(odd);
    if constexpr (kParts == 1)
      _mm512_storeu_si512(dst, _mm512_permutexvar_epi16(interleave_, narrow(even, odd)));
    else
      split_lanes<kParts>(even, odd, dst, kPart);
  }
  bool safe() const { return range_.safe(); }

 private:
  const __m512i interleave_ = interleaving();
  Range range_;
};

// Up to n channels of a position from `first` on, or zeros.
inline F32 load_channels(const float* p, int64_t first, int64_t n) {
  return p == nullptr ? F32(0.0f) : load_n(p + first, n);
}

inline int64_t at_most_32(int64_t n) { return n < 32 ? n : 32; }

template <int kParts>
bool split_pack_rows(const SplitPanel<float>& x) {
  Range range;
  alignas(64) Block rows;
  for (int64_t k = 0; k < x.k; k += 32) {
    uint16_t* dst = x.dst + k / 32 * kParts * kPart;
    const BlockView from =
        gather_block(rows, x.src + k * x.k_stride, x.lanes, at_most_32(x.k - k), x.lane_stride, x.k_stride);
    for (int64_t i = 0; i < 32; ++i) {
      const __m512 low = from.at(i, 0), high = from.at(i, 16);
      range.see(low);
      range.see(high);
      store_parts(dst + i * 32, split<kParts>(low, high));
    }
  }
  return range.safe();
}

template <int kParts>
bool split_pack_columns(const SplitPanel<float>& x) {
  Pairs<kParts> pairs;
  alignas(64) Block rows;
  for (int64_t k = 0; k < x.k; k += 32) {
    uint16_t* dst = x.dst + k / 32 * kParts * kPart;
    const BlockView from =
        gather_block(rows, x.src + k * x.k_stride, at_most_32(x.k - k), x.lanes, x.k_stride, x.lane_stride);
    for (int64_t pair = 0; pair < 16; ++pair)
      for (int64_t tile = 0; tile < 2; ++tile)
        pairs.store(dst + tile * kTile + pair * 32, from.at(2 * pair, 16 * tile),
                    from.at(2 * pair + 1, 16 * tile));
  }
  return pairs.safe();
}

template <int kParts>
bool split_planes(const SplitRuns<float>& x) {
  Range range;
  for (int64_t run = 0; run < x.runs; ++run) {
    const float* src = x.src + run * x.src_step;
    uint16_t* dst = x.dst + run * x.dst_step;
    for (int64_t i = 0; i < x.count; i += 32) {
      const int64_t n = x.count - i;
      const __m512 low = load_n(src + i, n).r;
      const __m512 high = n > 16 ? load_n(src + i + 16, n - 16).r : _mm512_setzero_ps();
      range.see(low);
      range.see(high);
      const Parts<kParts> parts = split<kParts>(low, high);
      if (n >= 32) {
        store_parts(dst + i, parts, x.plane);
        continue;
      }
      const __mmask32 valid = (__mmask32{1} << n) - 1;
      _mm512_mask_storeu_epi16(dst + i, valid, parts.hi);
      if constexpr (kParts > 1) _mm512_mask_storeu_epi16(dst + x.plane + i, valid, parts.mid);
      if constexpr (kParts > 2) _mm512_mask_storeu_epi16(dst + 2 * x.plane + i, valid, parts.lo);
    }
  }
  return range.safe();
}

template <int kParts>
void split_gather(const SplitGather& x) {
  for (int64_t first = 0; first < x.rows; first += 32) {
    uint16_t* dst = x.dst + first / 32 * x.steps * kParts * kPart;
    const int64_t rows = at_most_32(x.rows - first);
    for (int64_t s = 0; s < x.steps; ++s, dst += kParts * kPart)
      for (int64_t r = 0; r < rows; ++r) {
        const uint16_t* src = x.planes + x.row_offset[first + r] + x.step_offset[s];
        Parts<kParts> parts;
        parts.hi = _mm512_loadu_si512(src);
        if constexpr (kParts > 1) parts.mid = _mm512_loadu_si512(src + x.plane);
        if constexpr (kParts > 2) parts.lo = _mm512_loadu_si512(src + 2 * x.plane);
        store_parts(dst + r * 32, parts);
      }
  }
}

template <int kParts>
bool split_tile(const SplitPositions<float>& x) {
  Range range;
  for (int64_t c = 0; c < x.channels; c += 32) {
    uint16_t* dst = x.dst + c / 32 * kParts * kTile;
    const int64_t n = x.channels - c;
    for (int64_t i = 0; i < 16; ++i, dst += 32) {
      const __m512 low = load_channels(x.src[i], c, n).r;
      const __m512 high = n > 16 ? load_channels(x.src[i], c + 16, n - 16).r : _mm512_setzero_ps();
      range.see(low);
      range.see(high);
      store_parts(dst, split<kParts>(low, high), kTile);
    }
  }
  return range.safe();
}

template <int kParts>
bool split_pair(const SplitPositions<float>& x) {
  Pairs<kParts> pairs;
  for (int64_t c = 0; c < x.channels; c += 16) {
    uint16_t* dst = x.dst + c / 32 * x.pitch + c % 32 / 16 * kTile;
    const int64_t n = x.channels - c;
    for (int64_t pair = 0; pair < 16; ++pair) {
      pairs.store(dst + pair * 32, load_channels(x.src[2 * pair], c, n).r,
                  load_channels(x.src[2 * pair + 1], c, n).r);
    }
  }
  return pairs.safe();
}

}  // namespace

// Channels are paired first, as they lie in memory, so that half as much must be transposed.
bool split_pair_taps(const SplitTaps& x) {
  const __m512i interleave = interleaving();
  const int64_t count = x.outputs * x.taps;
  Range range;
  const auto load = [&](const float* p, int64_t at) {
    const __m512 numbers = p == nullptr ? _mm512_setzero_ps() : load_n(p + at, count - at).r;
    range.see(numbers);
    return numbers;
  };
  alignas(64) float pairs[32 * 16 + 16];  // [output][tap]; a tap's row may be read beyond its end
  for (int64_t at = 0; at < count; at += 16) {
    const __m512i both = narrow(load(x.even, at), load(x.odd, at));
    _mm512_store_ps(pairs + at, _mm512_castsi512_ps(_mm512_permutexvar_epi16(interleave, both)));
  }
  for (int64_t tile = 0; tile < 2; ++tile) {
    F32 square[16];
    for (int64_t i = 0; i < 16; ++i) {
      const int64_t output = tile * 16 + i;
      square[i] = output < x.outputs ? F32::load(pairs + output * x.taps) : F32(0.0f);
    }
    transpose_square<float>(square);
    for (int64_t t = 0; t < x.taps; ++t)
      if (x.dst[t] != nullptr)
        _mm512_storeu_ps(reinterpret_cast<float*>(x.dst[t] + x.offset + tile * kSplitTile), square[t].r);
  }
  return range.safe();
}

// clang-format off
#define RUSHLIGHT_SPLIT_FUNCTIONS(parts)                                                        \
  bool split_pack_rows_##parts(const SplitPanel<float>& x) { return split_pack_rows<parts>(x); }       \
  bool split_pack_columns_##parts(const SplitPanel<float>& x) { return split_pack_columns<parts>(x); } \
  bool split_planes_##parts(const SplitRuns<float>& x) { return split_planes<parts>(x); }       \
  void split_gather_##parts(const SplitGather& x) { split_gather<parts>(x); }                   \
  bool split_tile_##parts(const SplitPositions<float>& x) { return split_tile<parts>(x); }             \
  bool split_pair_##parts(const SplitPositions<float>& x) { return split_pair<parts>(x); }
// clang-format on
RUSHLIGHT_SPLIT_FUNCTIONS(1)
RUSHLIGHT_SPLIT_FUNCTIONS(2)
RUSHLIGHT_SPLIT_FUNCTIONS(3)
#undef RUSHLIGHT_SPLIT_FUNCTIONS

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

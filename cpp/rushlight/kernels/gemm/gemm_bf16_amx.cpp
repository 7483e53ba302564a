// Packing numbers that are bfloat16 in memory for tiles: see Note [Split products].
#include <immintrin.h>

#include <cstdint>

#include "rushlight/kernels/gemm/split.h"
#include "rushlight/kernels/gemm/split_lanes.inl.h"
#include "rushlight/kernels/gemm/split_levels.h"
#include "rushlight/kernels/gemm/square.inl.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

// Remembers whether a number was infinite or NaN.
struct Range {
  __m512i largest = _mm512_setzero_si512();
  void see(__m512i x) { largest = _mm512_max_epu16(largest, _mm512_and_si512(x, _mm512_set1_epi16(0x7fff))); }
  bool safe() const { return _mm512_cmpge_epu16_mask(largest, _mm512_set1_epi16(0x7f80)) == 0; }
};

// 32 numbers from p on, the missing ones of n zero; p may be null then.
inline __m512i load_32(const uint16_t* p, int64_t n) {
  if (n >= 32) return _mm512_loadu_si512(p);
  return n <= 0 ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16((__mmask32{1} << n) - 1, p);
}
inline __m256i load_16(const uint16_t* p, int64_t n) {
  if (p == nullptr || n <= 0) return _mm256_setzero_si256();
  return load_halves(p, n);
}

// Pairs of two rows.
class Pairs {
 public:
  __m512i operator()(__m256i even, __m256i odd) {
    const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(even), odd, 1);
    range_.see(both);
    return _mm512_permutexvar_epi16(interleave_, both);
  }
  bool safe() const { return range_.safe(); }

 private:
  const __m512i interleave_ = interleaving();
  Range range_;
};

// Row r of a tile, r < 16: what pair r of the 16 columns of `pairs` holds.
inline void transpose_pairs(F32 (&pairs)[16], uint16_t* dst, int64_t pitch, int64_t rows) {
  transpose_square<float>(pairs);
  for (int64_t r = 0; r < rows; ++r) _mm512_storeu_si512(dst + r * pitch, _mm512_castps_si512(pairs[r].r));
}

inline F32 as_f32(__m512i x) { return F32::wrap(_mm512_castsi512_ps(x)); }

inline int64_t at_most(int64_t n, int64_t limit) { return n < limit ? n : limit; }

// Pointers to 32 rows `apart` from each other, null from n on.
inline void point_rows(const uint16_t* src, int64_t apart, int64_t n, const uint16_t** rows) {
  for (int64_t i = 0; i < 32; ++i) rows[i] = i < n ? src + i * apart : nullptr;
}

// square[i][j] = src[i * row + j * col] for i < m, j < n, zero elsewhere.
inline void gather_square(const uint16_t* src, int64_t m, int64_t n, int64_t row, int64_t col,
                          uint16_t (&square)[32][32]) {
  for (int64_t i = 0; i < 32; ++i)
    for (int64_t j = 0; j < 32; ++j) square[i][j] = i < m && j < n ? src[i * row + j * col] : uint16_t{0};
}

}  // namespace

bool split_pack_rows_bf16(const SplitPanel<uint16_t>& x) {
  Range range;
  Pairs pairs;
  for (int64_t k = 0; k < x.k; k += 32) {
    uint16_t* dst = x.dst + k / 32 * kSplitPart;
    const uint16_t* src = x.src + k * x.k_stride;
    const int64_t depth = at_most(x.k - k, 32);
    if (x.lane_stride == 1 && x.k_stride != 1) {  // positions of a turn
      const uint16_t* rows[32];
      point_rows(src, x.k_stride, depth, rows);
      for (int64_t c = 0; c < 32; c += 16) {
        F32 square[16];
        for (int64_t i = 0; i < 16; ++i) {
          const auto part = [&](const uint16_t* p) {
            return load_16(p == nullptr ? p : p + at_most(c, x.lanes - 1), x.lanes - c);
          };
          square[i] = as_f32(pairs(part(rows[2 * i]), part(rows[2 * i + 1])));
        }
        transpose_pairs(square, dst + c * 32, 32, 16);
      }
      continue;
    }
    alignas(64) uint16_t square[32][32];
    if (x.k_stride != 1) gather_square(src, x.lanes, depth, x.lane_stride, x.k_stride, square);
    for (int64_t i = 0; i < 32; ++i) {
      __m512i row = _mm512_setzero_si512();
      if (x.k_stride != 1)
        row = _mm512_load_si512(square[i]);
      else if (i < x.lanes)
        row = load_32(src + i * x.lane_stride, depth);
      range.see(row);
      _mm512_storeu_si512(dst + i * 32, row);
    }
  }
  return range.safe() && pairs.safe();
}

bool split_pack_columns_bf16(const SplitPanel<uint16_t>& x) {
  Range range;
  Pairs pairs;
  for (int64_t k = 0; k < x.k; k += 32) {
    uint16_t* dst = x.dst + k / 32 * kSplitPart;
    const uint16_t* src = x.src + k * x.k_stride;
    const int64_t depth = at_most(x.k - k, 32);
    if (x.k_stride == 1 && x.lane_stride != 1) {  // pairs lie next to each other
      for (int64_t tile = 0; tile < 2; ++tile) {
        F32 square[16];
        for (int64_t i = 0; i < 16; ++i) {
          const int64_t lane = tile * 16 + i;
          const __m512i column =
              lane < x.lanes ? load_32(src + lane * x.lane_stride, depth) : _mm512_setzero_si512();
          range.see(column);
          square[i] = as_f32(column);
        }
        transpose_pairs(square, dst + tile * kSplitTile, 32, 16);
      }
      continue;
    }
    alignas(64) uint16_t square[32][32];
    const uint16_t* rows[32];
    int64_t lanes = x.lanes;
    if (x.lane_stride == 1) {
      point_rows(src, x.k_stride, depth, rows);
    } else {
      gather_square(src, depth, x.lanes, x.k_stride, x.lane_stride, square);
      point_rows(square[0], 32, 32, rows);
      lanes = 32;
    }
    for (int64_t pair = 0; pair < 16; ++pair)
      for (int64_t tile = 0; tile < 2; ++tile) {
        const auto part = [&](const uint16_t* p) {
          return load_16(p == nullptr ? p : p + at_most(tile * 16, lanes - 1), lanes - tile * 16);
        };
        _mm512_storeu_si512(dst + tile * kSplitTile + pair * 32,
                            pairs(part(rows[2 * pair]), part(rows[2 * pair + 1])));
      }
  }
  return range.safe() && pairs.safe();
}

bool split_planes_bf16(const SplitRuns<uint16_t>& x) {
  Range range;
  for (int64_t run = 0; run < x.runs; ++run) {
    const uint16_t* src = x.src + run * x.src_step;
    uint16_t* dst = x.dst + run * x.dst_step;
    for (int64_t i = 0; i < x.count; i += 32) {
      const __m512i numbers = load_32(src + i, x.count - i);
      range.see(numbers);
      const __mmask32 valid = x.count - i >= 32 ? ~__mmask32{0} : (__mmask32{1} << (x.count - i)) - 1;
      _mm512_mask_storeu_epi16(dst + i, valid, numbers);
    }
  }
  return range.safe();
}

bool split_tile_bf16(const SplitPositions<uint16_t>& x) {
  Range range;
  for (int64_t c = 0; c < x.channels; c += 32) {
    uint16_t* dst = x.dst + c / 32 * kSplitTile;
    for (int64_t i = 0; i < 16; ++i, dst += 32) {
      const __m512i numbers =
          x.src[i] == nullptr ? _mm512_setzero_si512() : load_32(x.src[i] + c, x.channels - c);
      range.see(numbers);
      _mm512_storeu_si512(dst, numbers);
    }
  }
  return range.safe();
}

bool split_pair_bf16(const SplitPositions<uint16_t>& x) {
  Pairs pairs;
  for (int64_t c = 0; c < x.channels; c += 16) {
    uint16_t* dst = x.dst + c / 32 * x.pitch + c % 32 / 16 * kSplitTile;
    const auto part = [&](const uint16_t* p) { return load_16(p == nullptr ? p : p + c, x.channels - c); };
    for (int64_t pair = 0; pair < 16; ++pair)
      _mm512_storeu_si512(dst + pair * 32, pairs(part(x.src[2 * pair]), part(x.src[2 * pair + 1])));
  }
  return pairs.safe();
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

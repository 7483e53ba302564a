// The weight gradient on AMX tiles: see Note [Bands] in grad_weight_split.cpp.
#include <immintrin.h>

#include <cstdint>

#include "rushlight/kernels/conv2d/grad_weight_tiles.h"
#include "rushlight/kernels/gemm/split_lanes.inl.h"
#include "rushlight/kernels/gemm/square.inl.h"
#include "rushlight/kernels/tiles.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

constexpr int64_t kPair = 2 * kLaneTile;  // one part of a step of B

inline F32 load_lane(const float* p, int64_t first, int64_t n) {
  return p == nullptr ? F32(0.0f) : load_n(p + first, n);
}
inline F32 load_lane(const uint16_t* p, int64_t first, int64_t n) {
  return p == nullptr ? F32(0.0f) : load_bf16(p + first, n < 16 ? n : 16);
}

template <int kParts>
void turn(const LaneRun<float>& x) {
  for (int64_t i = 0; i < x.count; ++i) {
    const int64_t position = i * x.step;
    uint16_t* dst = x.dst + i * x.dst_step;
    for (int64_t c = 0; c < x.channels; c += 16, dst += 16 * x.pitch) {
      const int64_t n = x.channels - c;
      F32 low[16], high[16];
      for (int64_t lane = 0; lane < 16; ++lane) low[lane] = load_lane(x.src[lane], position + c, n);
      transpose_square<float>(low);
      for (int64_t lane = 0; lane < 16; ++lane) high[lane] = load_lane(x.src[16 + lane], position + c, n);
      transpose_square<float>(high);
      const int64_t rows = n < 16 ? n : 16;
      for (int64_t r = 0; r < rows; ++r) split_lanes<kParts>(low[r].r, high[r].r, dst + r * x.pitch, x.apart);
    }
  }
}

// Numbers that are one part as they are: turned in pairs.
void turn(const LaneRun<uint16_t>& x) {
  for (int64_t i = 0; i < x.count; ++i) {
    const int64_t position = i * x.step;
    uint16_t* dst = x.dst + i * x.dst_step;
    for (int64_t c = 0; c < x.channels; c += 16, dst += 16 * x.pitch) {
      const int64_t n = x.channels - c;
      F32 square[16];
      for (int64_t lane = 0; lane < 16; ++lane)
        square[lane] = F32::wrap(_mm512_castsi512_ps(
            join(load_lane(x.src[lane], position + c, n).r, load_lane(x.src[16 + lane], position + c, n).r)));
      transpose_square<float>(square);
      for (int64_t r = 0; r < (n < 16 ? n : 16); ++r)
        _mm512_store_si512(dst + r * x.pitch, _mm512_castps_si512(square[r].r));
    }
  }
}

template <int kParts, class T>
void pair(const LaneRun<T>& x) {
  for (int64_t i = 0; i < x.count; ++i) {
    const int64_t position = i * x.step;
    for (int64_t c = 0; c < x.channels; c += 16) {
      uint16_t* dst =
          x.dst + i * x.dst_step + c / kPanelColumns * x.apart + c % kPanelColumns / 16 * kLaneTile;
      const int64_t n = x.channels - c;
      for (int64_t lane = 0; lane < 16; ++lane)
        split_lanes<kParts>(load_lane(x.src[lane], position + c, n).r,
                            load_lane(x.src[16 + lane], position + c, n).r, dst + lane * kLanes, kPair);
    }
  }
}

template <bool kTwo>
inline void load_a(const uint16_t* a) {
  _tile_loadd(4, a, 2 * kLanes);
  if constexpr (kTwo) _tile_loadd(5, a + kLaneTile, 2 * kLanes);
}
inline void load_b(const uint16_t* b) {
  _tile_loadd(6, b, 2 * kLanes);
  _tile_loadd(7, b + kLaneTile, 2 * kLanes);
}

// Small products first: they meet smaller sums, where less of them is rounded away. The largest products of
// several parts may be left out.
template <int kParts, bool kTwo>
inline void add_step(const uint16_t* a, int64_t a_part, const uint16_t* b, bool largest) {
  load_b(b);
  if constexpr (kParts == 3) {
    load_a<kTwo>(a + 2 * a_part);
    add_products<kTwo>();
  }
  if constexpr (kParts > 1) {
    load_a<kTwo>(a + a_part);
    add_products<kTwo>();
    load_b(b + kPair);
  }
  if constexpr (kParts == 3) {
    add_products<kTwo>();
    load_a<kTwo>(a);
    add_products<kTwo>();
    load_b(b + 2 * kPair);
  } else {
    load_a<kTwo>(a);
  }
  add_products<kTwo>();
  if (kParts > 1 && largest) {
    load_b(b);
    add_products<kTwo>();
  }
}

// Sums that left the tiles. They are added to those in memory bit by bit, while tiles make the next ones.
struct Pending {
  const float* from;
  float* to;
  int64_t left = 0;
  void add(int64_t count) {
    count = count < left ? count : left, left -= count;
    for (; count > 0; count -= 16, from += 16, to += 16) (F32::load(to) + F32::load(from)).store(to);
  }
};

template <int kParts, bool kTwo>
inline void multiply_block(const LaneProduct& x, const uint16_t* a, const uint16_t* b, Pending& pending,
                           float* sums) {
  clear_sums<kTwo>();
  const int64_t share = (kSumBlock / 16 + x.steps - 1) / x.steps * 16;
  for (int64_t s = 0; s < x.steps; ++s, b += kParts * kPair) {
    add_step<kParts, kTwo>(a + x.a_step[s], x.a_part, b, !x.largest_last);
    pending.add(share);
  }
  if (kParts > 1 && x.largest_last) {
    b -= x.steps * kParts * kPair;
    for (int64_t s = 0; s < x.steps; ++s, b += kParts * kPair) {
      load_b(b);
      load_a<kTwo>(a + x.a_step[s]);
      add_products<kTwo>();
    }
  }
  store_sums<kTwo>(sums);
}

template <int kParts>
void multiply(const LaneProduct& x) {
  alignas(64) float blocks[2][kSumBlock];
  float* sums = x.sums;
  Pending pending{};
  int turn = 0;
  for (int64_t i = 0; i < x.rows; i += 32) {
    const int64_t rows = x.rows - i < 32 ? x.rows - i : 32;
    if (i == 0 || rows < 32) configure_tiles(rows);
    const uint16_t* a = x.a + i * kLanes;
    for (int64_t panel = 0; panel < x.panels; ++panel, sums += kSumBlock, turn ^= 1) {
      const uint16_t* b = x.b + panel * x.steps * kParts * kPair;
      float* to = x.accumulate ? blocks[turn] : sums;
      if (rows > 16)
        multiply_block<kParts, true>(x, a, b, pending, to);
      else
        multiply_block<kParts, false>(x, a, b, pending, to);
      if (x.accumulate) pending = {to, sums, rows * kPanelColumns};
    }
  }
  pending.add(kSumBlock);
  _tile_release();
}

inline void store_weights(float* p, F32 v, int64_t n) { store_n(p, v, n); }
inline void store_weights(uint16_t* p, F32 v, int64_t n) {
  store_halves(p, (__m256i)_mm512_cvtneps_pbh(v.r), n);
}

template <class W>
bool finish(const LaneResult<W>& x) {
  F32 square[16];
  for (int64_t i = 0; i < 16; ++i) {
    square[i] = F32(0.0f);
    if (i >= x.count) continue;
    square[i] = F32::load(x.rows[i]);
    for (int64_t piece = 1; piece < x.pieces; ++piece)
      square[i] = square[i] + F32::load(x.rows[i] + piece * x.piece);
  }
  transpose_square<float>(square);
  __mmask16 special = 0;
  for (int64_t j = 0; j < x.columns; ++j) {
    special |= _mm512_fpclass_ps_mask(square[j].r, 0x99);  // NaN of both kinds, infinities of both signs
    store_weights(x.out + j * x.pitch, square[j], x.count);
  }
  return special == 0;
}

}  // namespace

bool lane_finish(const LaneResult<float>& x) { return finish(x); }
bool lane_finish(const LaneResult<uint16_t>& x) { return finish(x); }

#define RUSHLIGHT_LANE_FUNCTIONS(parts)                               \
  void lane_turn_##parts(const LaneRun<float>& x) { turn<parts>(x); } \
  void lane_pair_##parts(const LaneRun<float>& x) { pair<parts>(x); } \
  void lane_multiply_##parts(const LaneProduct& x) { multiply<parts>(x); }
RUSHLIGHT_LANE_FUNCTIONS(1)
RUSHLIGHT_LANE_FUNCTIONS(2)
RUSHLIGHT_LANE_FUNCTIONS(3)
#undef RUSHLIGHT_LANE_FUNCTIONS
void lane_turn_bf16(const LaneRun<uint16_t>& x) { turn(x); }
void lane_pair_bf16(const LaneRun<uint16_t>& x) { pair<0>(x); }

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

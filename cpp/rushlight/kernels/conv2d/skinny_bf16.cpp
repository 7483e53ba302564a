#include "rushlight/kernels/conv2d/skinny_bf16.h"

#include <atomic>

#include "rushlight/base/trace.h"
#include "rushlight/kernels/conv2d/pixel_columns.h"
#include "rushlight/kernels/conv2d/skinny_tiles.h"
#include "rushlight/kernels/gemm/split.h"

namespace rushlight::kernels {

template <>
ColumnKernels<uint16_t> column_kernels() {
  return {RUSHLIGHT_AMX(&amx::take_taps_bf16), nullptr};
}

namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

constexpr int64_t kPackedPieces = 4;  // panels of a piece
template <class W>
struct TileKernels {
  void (*forward)(const SkinnyForward<W>&) = RUSHLIGHT_AMX(&amx::skinny_forward);
  void (*grad_src)(const SkinnyGradSrc<W>&) = RUSHLIGHT_AMX(&amx::skinny_grad_src);
  void (*grad_weight)(const SkinnyGradWeight<W>&) = RUSHLIGHT_AMX(&amx::skinny_grad_weight);
  void (*round)(const float*, int64_t, uint16_t*) = RUSHLIGHT_AMX(&amx::round_row);
};

template <class W>
struct SkinnyBf16 : PixelColumns<uint16_t> {
  const SplitKernel<uint16_t>& split = split_kernel<uint16_t>();
  const TileKernels<W> tiles;
  std::atomic<bool> safe{true};

  explicit SkinnyBf16(const Conv2dParams& params) : PixelColumns<uint16_t>(params) {}

  void note(bool fine) {
    if (!fine) safe.store(false, std::memory_order_relaxed);
  }
  // After the last note, for those who watch: whether tiles serve all that was packed.
  bool serves() const {
    if (!safe) {
      trace::note_refused(kNotFinite);
      return false;
    }
    trace::note_kernel("conv2d_bf16_skinny_amx");
    trace::note_flop(2.0 * static_cast<double>(this->p.work()));
    return true;
  }
  // Calls pack(panel) for the panels of `lanes` rows or columns.
  template <class F>
  void for_panels(int64_t lanes, int64_t grain, F&& pack) {
    parallel_for(ceil_div(lanes, kSplitLanes), grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        note(pack(i * kSplitLanes, std::min(kSplitLanes, lanes - i * kSplitLanes), i));
    });
  }
};

bool fits(const Conv2dParams& p, int64_t most_pixels) {
  return p.groups == 1 && p.work() > 0 && p.out_channels >= 16 && p.in_channels >= 16 &&
         p.images * p.out_h() * p.out_w() <= most_pixels;
}

// Images that come in sixteens make tiles without being gathered: only very few of their pixels are better
// off here.
bool sixteens(const Conv2dParams& p) { return p.images % 16 == 0 && p.taps() > 2; }

}  // namespace

// As measured: what is saved grows with the weights, what is paid (gathering pixels, adding up columns) with
// the pixels.
bool skinny_bf16_forward_fits(const Conv2dParams& p) {
  return fits(p, sixteens(p) ? (p.out_channels - 1) / 4 : p.out_channels / 2);
}
bool skinny_bf16_grad_src_fits(const Conv2dParams& p) {
  return fits(p, sixteens(p) ? (p.out_channels - 1) / 4 : 2 * p.out_channels);
}
bool skinny_bf16_grad_weight_fits(const Conv2dParams& p) {
  return fits(p, std::min<int64_t>(512, 4 * p.in_channels));
}

template <class W>
bool skinny_bf16_forward(const Conv2dParams& p, ImageView<const uint16_t> src, const W* weight,
                         const ConvEpilogue<uint16_t>& epilogue, uint16_t* dst) {
  SkinnyBf16<W> s(p);
  const int64_t panels = ceil_div(s.pixels, kSplitLanes), steps = split_steps(s.depth);
  Scratch<uint16_t> packed(panels * steps * kSplitPart);
  const int64_t grain = std::max<int64_t>(1, ceil_div(steps, s.kPieces));
  Scratch<uint16_t> columns(s.pixels * s.depth);
  s.for_channels([&](int64_t first, int64_t end) {
    s.gather(src, 0, s.pixels, first, end - first, columns.data() + first * s.taps, s.depth);
  });
  parallel_for(steps, grain, [&](int64_t begin, int64_t end) {
    for (int64_t panel = 0; panel < panels; ++panel) {
      const int64_t pixel = panel * kSplitLanes, k = begin * kSplitDepth;
      s.note(s.split.pack_columns({std::min(kSplitLanes, s.pixels - pixel),
                                   std::min(end * kSplitDepth, s.depth) - k,
                                   columns.data() + pixel * s.depth + k, s.depth, 1,
                                   packed.data() + (panel * steps + begin) * kSplitPart}));
    }
  });
  if (!s.serves()) return false;
  parallel_for(ceil_div(p.out_channels, kSplitLanes), 1, [&](int64_t begin, int64_t end) {
    Scratch<uint16_t> rounded(2 * kRowSteps * kSplitPart);
    Scratch<float> sums(panels * kSplitPart);
    for (int64_t o = begin * kSplitLanes; o < std::min(end * kSplitLanes, p.out_channels); o += kSplitLanes)
      s.tiles.forward(
          {weight + o * s.depth, std::min(kSplitLanes, p.out_channels - o), s.depth, packed.data(), s.pixels,
           rounded.data(), sums.data(), epilogue.bias == nullptr ? nullptr : epilogue.bias + o, dst + o,
           epilogue.residual == nullptr ? nullptr : epilogue.residual + o, p.out_channels, epilogue.relu});
  });
  return true;
}

template <class W>
bool skinny_bf16_grad_src(const Conv2dParams& p, ImageView<const uint16_t> grad_dst, const W* weight,
                          uint16_t* grad_src) {
  SkinnyBf16<W> s(p);
  const PixelColumns<float> sums(p);
  const PixelRows<uint16_t> grad(s, grad_dst);
  const int64_t panel = split_steps(p.out_channels) * kSplitPart;
  Scratch<uint16_t> packed(ceil_div(s.pixels, kSplitLanes) * panel);
  s.for_panels(s.pixels, kPackedPieces, [&](int64_t pixel, int64_t count, int64_t i) {
    return s.split.pack_rows({count, p.out_channels, grad.data() + pixel * p.out_channels, p.out_channels, 1,
                              packed.data() + i * panel});
  });
  if (!s.serves()) return false;
  const int64_t source = p.images * p.in_h * p.in_w;
  s.for_channels([&](int64_t first, int64_t end) {
    const int64_t channels = end - first, width = channels * s.taps, pitch = s.round_up(width, kSplitLanes);
    Scratch<float> columns(s.round_up(s.pixels, kSplitLanes) * pitch), wide(source * channels);
    Scratch<uint16_t> rounded(2 * kPairSteps * pitch * kSplitDepth);
    s.tiles.grad_src({weight + first * s.taps, p.out_channels, s.depth, width, packed.data(), s.pixels,
                      rounded.data(), columns.data(), pitch});
    sums.scatter(columns.data(), pitch, channels, wide.data(), channels);
    for (int64_t i = 0; i < source; ++i)
      s.tiles.round(wide.data() + i * channels, channels, grad_src + i * p.in_channels + first);
  });
  return true;
}

template <class W>
bool skinny_bf16_grad_weight(const Conv2dParams& p, ImageView<const uint16_t> src,
                             ImageView<const uint16_t> grad_dst, W* grad_weight) {
  SkinnyBf16<W> s(p);
  const PixelRows<uint16_t> grad(s, grad_dst);
  const int64_t panel = split_steps(s.pixels) * kSplitPart;
  Scratch<uint16_t> packed(ceil_div(p.out_channels, kSplitLanes) * panel);
  s.for_panels(p.out_channels, kPackedPieces, [&](int64_t output, int64_t count, int64_t i) {
    return s.split.pack_rows(
        {count, s.pixels, grad.data() + output, 1, p.out_channels, packed.data() + i * panel});
  });
  s.for_channels([&](int64_t first, int64_t end) {
    if (!s.safe) return;
    const int64_t width = (end - first) * s.taps;
    Scratch<uint16_t> columns(s.pixels * width), pairs(ceil_div(width, kSplitLanes) * panel);
    s.gather(src, 0, s.pixels, first, end - first, columns.data(), width);
    bool fine = true;
    for (int64_t j = 0; j < width; j += kSplitLanes)
      fine = s.split.pack_columns({std::min(kSplitLanes, width - j), s.pixels, columns.data() + j, 1, width,
                                   pairs.data() + j / kSplitLanes * panel}) &&
             fine;
    s.note(fine);
    if (fine)
      s.tiles.grad_weight({packed.data(), pairs.data(), p.out_channels, width, s.pixels,
                           grad_weight + first * s.taps, s.depth});
  });
  return s.serves();
}

#define RUSHLIGHT_INSTANTIATE(W)                                                                  \
  template bool skinny_bf16_forward<W>(const Conv2dParams&, ImageView<const uint16_t>, const W*,  \
                                       const ConvEpilogue<uint16_t>&, uint16_t*);                 \
  template bool skinny_bf16_grad_src<W>(const Conv2dParams&, ImageView<const uint16_t>, const W*, \
                                        uint16_t*);                                               \
  template bool skinny_bf16_grad_weight<W>(const Conv2dParams&, ImageView<const uint16_t>,        \
                                           ImageView<const uint16_t>, W*);
RUSHLIGHT_INSTANTIATE(float)
RUSHLIGHT_INSTANTIATE(uint16_t)

}  // namespace rushlight::kernels

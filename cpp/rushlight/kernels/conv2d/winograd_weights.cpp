// Transformed weights: see Note [Winograd].
#include <algorithm>
#include <atomic>

#include "rushlight/base/parallel.h"
#include "rushlight/kernels/conv2d/weights.h"
#include "rushlight/kernels/conv2d/winograd.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kTransformed = 32;  // channels whose taps are transformed together

}  // namespace

WinogradWeights::WinogradWeights(const ConvJob<float>& job, const ConvKernel<float>& kernel)
    : PackedWeights(key_of(job, &winograd_kernel(kernel.isa))),
      panel_(job.channels * kernel.outputs),
      blocks_((job.outputs + kernel.outputs - 1) / kernel.outputs),
      panels_(blocks_ * kFrequencies * panel_, job.kept != nullptr) {
  std::atomic<bool> safe{true};
  parallel_for(blocks_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      if (!transform(job, kernel, block)) safe.store(false, std::memory_order_relaxed);
  });
  safe_ = safe.load();
}

// Some channels at a time: their taps stay in the L1 cache in between.
bool WinogradWeights::transform(const ConvJob<float>& job, const ConvKernel<float>& kernel, int64_t block) {
  const WinogradKernel& steps = winograd_kernel(kernel.isa);
  const GemmKernel<float>& gemm = select_gemm<float>(kernel.isa);
  const int64_t width = kernel.outputs, first = block * width;
  Scratch<float> taps(9 * kTransformed * width);
  ConvJob<float> part = job;
  bool safe = true;
  for (int64_t c = 0; c < job.channels; c += kTransformed) {
    part.channels = std::min(kTransformed, job.channels - c);
    pack_outputs(part, gemm, job.weight + first * job.weight_output + c * job.weight_channel,
                 std::min(width, job.outputs - first), width, taps.data());
    safe = steps.weight(taps.data(), part.channels * width,
                        panels_.data() + block * kFrequencies * panel_ + c * width, panel_) &&
           safe;
  }
  return safe;
}

std::shared_ptr<const WinogradWeights> WinogradWeights::of(const ConvJob<float>& job,
                                                           const ConvKernel<float>& kernel) {
  return kept_or_made<WinogradWeights>(job.kept, key_of(job, &winograd_kernel(kernel.isa)), job, kernel);
}

WinogradTileWeights::WinogradTileWeights(const ConvJob<float>& job, const SplitKernel<float>& split)
    : PackedWeights(key_of(job, &split)),
      panel_(job.channels / kSplitDepth * split.step()),
      panels_(job.outputs / kSplitLanes),
      memory_(kFrequencies * panels_ * panel_, job.kept != nullptr) {
  const int64_t steps = job.channels / kSplitDepth;
  std::atomic<bool> safe{true};
  parallel_for(panels_ * steps, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      if (!transform(job, split, i / steps, i % steps)) safe.store(false, std::memory_order_relaxed);
  });
  safe_ = safe.load();
}

uint16_t* WinogradTileWeights::panel(int64_t frequency, int64_t panel) const {
  constexpr int64_t kPanels = kWinogradGroup / kSplitLanes;
  const int64_t row = frequency / kWinogradRow, column = frequency % kWinogradRow;
  const int64_t group = panel / kPanels * kPanels, width = std::min(kPanels, panels_ - group);
  return memory_.data() + ((row * panels_ + group) * kWinogradRow + column * width + panel - group) * panel_;
}

bool WinogradTileWeights::transform(const ConvJob<float>& job, const SplitKernel<float>& split, int64_t index,
                                    int64_t step) const {
  constexpr int64_t kCount = kSplitDepth * kSplitLanes;
  Scratch<float> taps(9 * kCount), planes(kFrequencies * kCount);
  ConvJob<float> part = job;
  part.channels = kSplitDepth;
  const float* weight =
      job.weight + index * kSplitLanes * job.weight_output + step * kSplitDepth * job.weight_channel;
  pack_outputs(part, select_gemm<float>(Isa::Avx512), weight, kSplitLanes, kSplitLanes, taps.data());
  bool safe = winograd_kernel(Isa::Avx512).weight(taps.data(), kCount, planes.data(), kCount);
  for (int64_t f = 0; f < kFrequencies; ++f) {
    const float* rows[kSplitDepth];  // channels i and i + 16 side by side, as in the source
    for (int64_t i = 0; i < kSplitDepth; ++i)
      rows[i] = planes.data() + f * kCount + (i / 2 + i % 2 * 16) * kSplitLanes;
    safe = split.pair({rows, kSplitLanes, panel(f, index) + step * split.step(), 0}) && safe;
  }
  return safe;
}

std::shared_ptr<const WinogradTileWeights> WinogradTileWeights::of(const ConvJob<float>& job,
                                                                   const SplitKernel<float>& split) {
  return kept_or_made<WinogradTileWeights>(job.kept, key_of(job, &split), job, split);
}

}  // namespace rushlight::kernels

#include "rushlight/kernels/limits/limits.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "rushlight/base/parallel.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/limits/limits_levels.h"

namespace rushlight::kernels {
namespace {

constexpr int kRuns = 9;
constexpr int64_t kFmaRounds = 100000, kTileRounds = 10000;  // about a millisecond each
constexpr int64_t kStream = 8 << 20;                         // elements: 32 MB an array
constexpr int64_t kPiece = 1 << 16;

// The highest rate of several runs; run() does `work` units.
template <class Run>
double best_rate(double work, const Run& run) {
  double best = 0.0;
  for (int i = 0; i < kRuns; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, work / seconds.count());
  }
  return best;
}

// `burst` on every thread at once; one thread's burst is `operations`.
template <class Burst>
double compute_rate(double operations, const Burst& burst) {
  const int threads = num_threads();
  return best_rate(operations * threads,
                   [&] { parallel_for(threads, 1, [&](int64_t, int64_t) { burst(); }); });
}

void measure_streams(Isa isa, MachineLimits& limits) {
  const auto triads = RUSHLIGHT_PER_ISA(stream_triad);
  const auto sums = RUSHLIGHT_PER_ISA(stream_sum);
  const auto triad = triads.at(isa);
  const auto sum = sums.at(isa);
  const std::unique_ptr<float[]> dst(new float[kStream]), a(new float[kStream]), b(new float[kStream]);
  parallel_for(kStream, kPiece, [&](int64_t begin, int64_t end) {  // touched first by those who will use it
    std::fill(&a[begin], &a[begin] + (end - begin), 1.0f);
    std::fill(&b[begin], &b[begin] + (end - begin), 1.0f);
    std::fill(&dst[begin], &dst[begin] + (end - begin), 0.0f);
  });
  const auto triad_rate = [&](float* out) {
    return best_rate(3.0 * sizeof(float) * kStream, [&] {
      parallel_for(kStream, kPiece, [&](int64_t begin, int64_t end) {
        triad(out + begin, &a[begin], &b[begin], end - begin);
      });
    });
  };
  limits.stream = triad_rate(dst.get());
  limits.update = triad_rate(b.get());  // converges to twice a
  std::vector<float> partial(kStream / kPiece);
  limits.read = best_rate(1.0 * sizeof(float) * kStream, [&] {
    parallel_for(kStream, kPiece,
                 [&](int64_t begin, int64_t end) { partial[begin / kPiece] = sum(&a[begin], end - begin); });
  });
}

MachineLimits measure(Isa isa) {
  const auto bursts = RUSHLIGHT_PER_ISA(fma_burst);
  const PerIsa<decltype(&amx::tile_burst)> tile_bursts{nullptr, nullptr, nullptr,
                                                       RUSHLIGHT_AMX(&amx::tile_burst)};
  MachineLimits limits{};
  const auto burst = bursts.at(isa);
  float sum = 0.0f;
  limits.fma = compute_rate(static_cast<double>(burst(1, &sum)) * kFmaRounds, [&] {
    float own = 0.0f;
    burst(kFmaRounds, &own);
  });
  if (const auto tile_burst = tile_bursts.at(isa); tile_burst != nullptr)
    limits.tiles =
        compute_rate(static_cast<double>(tile_burst(1)) * kTileRounds, [&] { tile_burst(kTileRounds); });
  measure_streams(isa, limits);
  return limits;
}

}  // namespace

MachineLimits machine_limits() {
  static std::mutex mutex;
  static MachineLimits limits;
  static Isa isa;
  static int threads = 0;  // nothing measured yet
  const std::lock_guard<std::mutex> lock(mutex);
  if (threads != num_threads() || isa != active_isa()) {
    isa = active_isa();
    threads = num_threads();
    limits = measure(isa);
  }
  return limits;
}

}  // namespace rushlight::kernels

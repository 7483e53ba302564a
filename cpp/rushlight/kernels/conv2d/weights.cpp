#include "rushlight/kernels/conv2d/weights.h"

#include <algorithm>
#include <atomic>

#include "rushlight/base/parallel.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

int64_t blocks_of(const ConvJob<float>& job) {
  return job.groups * ((job.outputs + kSplitLanes - 1) / kSplitLanes);
}

// Steps of each job's panels, summed up, times `blocks`.
std::vector<int64_t> first_steps(const std::vector<ConvJob<float>>& jobs, int64_t run, int64_t blocks) {
  std::vector<int64_t> first{0};
  for (const ConvJob<float>& job : jobs) {
    const int64_t runs = static_cast<int64_t>(job.taps.size()) / run;
    first.push_back(first.back() + blocks * runs * split_steps(run * job.channels));
  }
  return first;
}

}  // namespace

// Where all taps of the kernel are wanted, in their
// order or backwards, they are read as they lie in memory: next to each other.
template <class T>
void pack_outputs(const ConvJob<T>& job, const GemmKernel<T>& gemm, const T* weight, int64_t lanes,
                  int64_t width, T* packed) {
  const auto taps = static_cast<int64_t>(job.taps.size());
  bool forwards = true, backwards = true;
  for (int64_t t = 0; t < taps; ++t) {
    forwards = forwards && job.taps[t].weight == t;
    backwards = backwards && job.taps[t].weight == taps - 1 - t;
  }
  if (forwards && job.weight_channel == taps)
    return gemm.pack(
        {lanes, width, job.channels * taps, weight, job.weight_output, 1, packed, taps, job.channels});
  if ((forwards || backwards) && job.weight_output == taps && taps > 1) {
    const int64_t first = forwards ? 0 : (taps - 1) * job.channels;
    for (int64_t c = 0; c < job.channels; ++c)
      gemm.pack({lanes, width, taps, weight + c * job.weight_channel, taps, 1, packed + (first + c) * width,
                 taps, forwards ? job.channels : -job.channels});
    return;
  }
  for (int64_t t = 0; t < taps; ++t)
    gemm.pack({lanes, width, job.channels, weight + job.taps[t].weight, job.weight_output, job.weight_channel,
               packed + t * job.channels * width});
}

SplitWeights::SplitWeights(const std::vector<ConvJob<float>>& jobs, const SplitKernel& split, int64_t run)
    : jobs_(jobs),
      split_(split),
      blocks_(blocks_of(jobs[0])),
      first_(first_steps(jobs, run, blocks_)),
      packed_(first_.back() * kSplitStep) {
  std::atomic<bool> safe{true};
  parallel_for(blocks_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      if (!(run == 1 ? pack_taps(i) : pack_runs(i, run))) safe.store(false, std::memory_order_relaxed);
  });
  safe_ = safe.load();
}

// The weights of a block lie in memory as [output][channel][tap] or [channel][output][tap]. They are turned
// to [channel][tap][output] for a step's channels at a time, which stay in the L1 cache while all jobs take
// theirs.
bool SplitWeights::pack_taps(int64_t block) {
  const ConvJob<float>& job = jobs_[0];
  const GemmKernel<float>& gemm = select_gemm<float>(Isa::Avx512);
  const int64_t per_group = blocks_ / job.groups, first = block % per_group * kSplitLanes;
  const int64_t lanes = std::min(kSplitLanes, job.outputs - first);
  const int64_t taps = std::min(job.weight_output, job.weight_channel);  // of the kernel
  const float* weight = job.weight + block / per_group * job.weight_group + first * job.weight_output;
  Scratch<float> turned(kSplitDepth * taps * kSplitLanes);
  const float* rows[kSplitDepth];
  bool safe = true;
  for (int64_t c = 0; c < job.channels; c += kSplitDepth) {
    const int64_t channels = std::min(kSplitDepth, job.channels - c);
    const float* src = weight + c * job.weight_channel;
    const int64_t together = job.weight_channel == taps ? channels : 1;
    for (int64_t i = 0; i < channels; i += together)
      gemm.pack({lanes, kSplitLanes, together * taps, src + i * job.weight_channel, job.weight_output, 1,
                 turned.data() + i * taps * kSplitLanes});
    for (size_t j = 0; j < jobs_.size(); ++j)
      for (size_t t = 0; t < jobs_[j].taps.size(); ++t) {
        for (int64_t i = 0; i < kSplitDepth; ++i)
          rows[i] = i < channels ? &turned[(i * taps + jobs_[j].taps[t].weight) * kSplitLanes] : nullptr;
        const int64_t step = static_cast<int64_t>(t) * split_steps(job.channels) + c / kSplitDepth;
        safe = split_.pair({rows, kSplitLanes, panel_data(j, block) + step * kSplitStep, 0, 0}) && safe;
      }
  }
  return safe;
}

bool SplitWeights::pack_runs(int64_t block, int64_t run) {
  const ConvJob<float>& job = jobs_[0];
  const auto taps = static_cast<int64_t>(job.taps.size());
  const int64_t per_group = blocks_ / job.groups, first = block % per_group * kSplitLanes;
  const float* weight = job.weight + block / per_group * job.weight_group + first * job.weight_output;
  Scratch<float> plain(taps * job.channels * kSplitLanes);
  pack_outputs(job, select_gemm<float>(Isa::Avx512), weight, std::min(kSplitLanes, job.outputs - first),
               kSplitLanes, plain.data());
  const int64_t depth = run * job.channels;
  uint16_t* panel = panel_data(0, block);
  bool safe = true;
  for (int64_t i = 0; i < taps / run; ++i, panel += split_steps(depth) * kSplitStep)
    safe = split_.pack_columns(
               {kSplitLanes, depth, plain.data() + i * depth * kSplitLanes, 1, kSplitLanes, panel}) &&
           safe;
  return safe;
}

template void pack_outputs<float>(const ConvJob<float>&, const GemmKernel<float>&, const float*, int64_t,
                                  int64_t, float*);
template void pack_outputs<double>(const ConvJob<double>&, const GemmKernel<double>&, const double*, int64_t,
                                   int64_t, double*);

}  // namespace rushlight::kernels

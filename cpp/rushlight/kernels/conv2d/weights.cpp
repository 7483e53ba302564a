#include "rushlight/kernels/conv2d/weights.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "rushlight/base/aligned_memory.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/kernels/gemm/gemm.h"

namespace rushlight::kernels {
namespace {

template <class T>
int64_t blocks_of(const ConvJob<T>& job) {
  return job.groups * ((job.outputs + kSplitLanes - 1) / kSplitLanes);
}

// `run` taps share steps.
template <class T>
std::vector<SplitWeights::Step> order_of(const ConvJob<T>& job, int64_t run) {
  std::vector<SplitWeights::Step> order;
  const auto taps = static_cast<int64_t>(job.taps.size());
  for (int64_t first = 0, end; first < taps; first = end) {
    for (end = first + run; run == 1 && end < taps && job.taps[end].row == job.taps[first].row;) ++end;
    for (int64_t channel = 0; channel < run * job.channels; channel += kSplitDepth)
      for (int64_t tap = first; tap < end; tap += run) order.push_back({tap, channel});
  }
  return order;
}

template <class T>
std::vector<std::vector<SplitWeights::Step>> orders_of(const std::vector<ConvJob<T>>& jobs, int64_t run) {
  std::vector<std::vector<SplitWeights::Step>> orders;
  for (const ConvJob<T>& job : jobs) orders.push_back(order_of(job, run));
  return orders;
}

// Steps of each job's panels, summed up.
std::vector<int64_t> first_steps(const std::vector<std::vector<SplitWeights::Step>>& orders) {
  std::vector<int64_t> first{0};
  for (const auto& order : orders) first.push_back(first.back() + static_cast<int64_t>(order.size()));
  return first;
}

// Equal for jobs whose weights have the same panels, as long as the weights do not change.
template <class T>
std::vector<int64_t> key_of(const std::vector<ConvJob<T>>& jobs, const SplitKernel<float>& split,
                            int64_t run) {
  const ConvJob<T>& job = jobs[0];
  std::vector<int64_t> key{reinterpret_cast<intptr_t>(job.weight),
                           reinterpret_cast<intptr_t>(job.narrow),
                           reinterpret_cast<intptr_t>(&split),
                           run,
                           job.groups,
                           job.channels,
                           job.outputs,
                           job.weight_group,
                           job.weight_output,
                           job.weight_channel};
  for (const ConvJob<T>& other : jobs) {
    key.push_back(static_cast<int64_t>(other.taps.size()));
    for (const Tap& tap : other.taps) key.push_back(tap.weight);
  }
  return key;
}

}  // namespace

// Where all taps of the kernel are wanted, in their order or backwards, they are read as they lie in memory:
// next to each other.
template <class T>
void pack_outputs(const ConvJob<T>& job, const GemmKernel<Wide<T>>& gemm, const Wide<T>* weight,
                  int64_t lanes, int64_t width, Wide<T>* packed) {
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

template <class T>
PackedMemory<T>::PackedMemory(int64_t count, bool kept) {
  if (!kept) {
    data_ = scratch_.emplace(count).data();
    return;
  }
  owned_.reset(static_cast<T*>(allocate_aligned(static_cast<size_t>(count) * sizeof(T))));
  if (owned_ == nullptr) throw std::bad_alloc();
  data_ = owned_.get();
}

template <class T>
void PackedMemory<T>::Free::operator()(void* memory) const {
  std::free(memory);
}

template <class T>
struct SplitWeights::Packing {
  const SplitWeights& weights;
  const std::vector<ConvJob<T>>& jobs;
  const SplitKernel<float>& split;
  const int64_t run;
  uint16_t* const to;

  uint16_t* panel(size_t job) const { return to + weights.offset(job); }

  // Whether all weights of the block can be split.
  bool pack(int64_t block) const {
    if (jobs[0].narrow != nullptr) return widen_and_pack(block);
    if (run > 1) return pack_runs(block);
    const int64_t taps = kernel_taps();
    return split.pair_taps != nullptr && jobs[0].weight_output == taps && taps > 1 && taps <= 16
               ? pack_pairs(block)
               : pack_taps(block);
  }

  int64_t kernel_taps() const { return std::min(jobs[0].weight_output, jobs[0].weight_channel); }

  // bfloat16 weights of the block, as the only one of a float32 job.
  bool widen_and_pack(int64_t block) const {
    const ConvJob<T>& job = jobs[0];
    const int64_t per_group = weights.blocks_ / job.groups, first = block % per_group * kSplitLanes;
    const int64_t lanes = std::min(kSplitLanes, job.outputs - first), taps = kernel_taps();
    const bool by_lanes = job.weight_channel == taps;  // what is a run of numbers
    const int64_t runs = by_lanes ? lanes : job.channels, length = (by_lanes ? job.channels : lanes) * taps;
    const int64_t apart = by_lanes ? job.weight_output : job.weight_channel;
    const uint16_t* from = job.narrow + block / per_group * job.weight_group + first * job.weight_output;
    Scratch<float> wide(runs * length);
    const ConvertRun widen = find_convert(DType::BFloat16, DType::Float32);
    for (int64_t i = 0; i < runs; ++i)
      widen(length, reinterpret_cast<const char*>(from + i * apart), 2,
            reinterpret_cast<char*>(wide.data() + i * length), 4);
    std::vector<ConvJob<T>> parts = jobs;
    for (ConvJob<T>& part : parts) {
      part.narrow = nullptr, part.groups = 1, part.outputs = lanes;
      (by_lanes ? part.weight_output : part.weight_channel) = length;
      if constexpr (std::is_same_v<Wide<T>, float>) part.weight = wide.data();
    }
    return Packing{weights, parts, split, run, to}.pack(0);
  }

  // The weights of a block lie in memory as [channel][output][tap].
  bool pack_pairs(int64_t block) const {
    constexpr int64_t kAhead = 4;  // channels asked for before they are read
    const ConvJob<T>& job = jobs[0];
    const int64_t per_group = weights.blocks_ / job.groups, first = block % per_group * kSplitLanes;
    const int64_t lanes = std::min(kSplitLanes, job.outputs - first), taps = kernel_taps();
    const float* weight = job.weight + block / per_group * job.weight_group + first * job.weight_output;
    const auto channel = [&](int64_t c) {
      return c < job.channels ? weight + c * job.weight_channel : nullptr;
    };
    bool safe = true;
    for (int64_t c = 0; c < job.channels; c += kSplitDepth) {
      uint16_t* dst[16] = {};
      for (size_t j = 0; j < jobs.size(); ++j)
        for (size_t s = 0; s < weights.order(j).size(); ++s)
          if (const Step step = weights.order(j)[s]; step.channel == c)
            dst[jobs[j].taps[static_cast<size_t>(step.tap)].weight] =
                panel(j) + static_cast<int64_t>(s) * split.step();
      for (int64_t i = c; i < c + kSplitDepth; i += 2) {
        for (int64_t ahead = i + kAhead; ahead < std::min(i + kAhead + 2, job.channels); ++ahead)
          for (int64_t at = 0; at < lanes * taps; at += 16) __builtin_prefetch(channel(ahead) + at, 0, 2);
        safe = split.pair_taps({channel(i), channel(i + 1), lanes, taps, dst, (i - c) * 16}) && safe;
      }
    }
    return safe;
  }

  // Asks for a share of the weights of a step's channels, from `channel` on: they are runs of numbers that
  // lie far apart, which the processor does not foresee.
  static void prefetch(const ConvJob<T>& job, const float* weight, int64_t lanes, int64_t taps,
                       int64_t channel, int64_t share) {
    const int64_t channels = std::min(kSplitDepth, job.channels - channel);
    if (channels <= 0) return;
    const bool by_lanes = job.weight_channel == taps;
    const int64_t runs = by_lanes ? lanes : channels, length = (by_lanes ? channels : lanes) * taps;
    const int64_t apart = by_lanes ? job.weight_output : job.weight_channel;
    for (int64_t i = runs * share / taps; i < std::min(runs, runs * (share + 1) / taps); ++i)
      for (int64_t at = 0; at < length; at += 16)
        __builtin_prefetch(weight + channel * job.weight_channel + i * apart + at, 0, 2);
  }

  // The weights of a block lie in memory as [output][channel][tap] or [channel][output][tap]. They are turned
  // to [channel][tap][output] for a step's channels at a time, which stay in the L1 cache while all jobs take
  // theirs.
  bool pack_taps(int64_t block) const {
    const ConvJob<T>& job = jobs[0];
    const GemmKernel<float>& gemm = select_gemm<float>(Isa::Avx512);
    const int64_t per_group = weights.blocks_ / job.groups, first = block % per_group * kSplitLanes;
    const int64_t lanes = std::min(kSplitLanes, job.outputs - first);
    const int64_t taps = std::min(job.weight_output, job.weight_channel);  // of the kernel
    const float* weight = job.weight + block / per_group * job.weight_group + first * job.weight_output;
    Scratch<float> turned(kSplitDepth * taps * kSplitLanes);
    const float* rows[kSplitDepth];
    bool safe = true;
    for (int64_t c = 0; c < job.channels; c += kSplitDepth) {
      const int64_t channels = std::min(kSplitDepth, job.channels - c);
      const float* src = weight + c * job.weight_channel;
      int64_t asked = 0;
      const int64_t together = job.weight_channel == taps ? channels : 1;
      for (int64_t i = 0; i < channels; i += together)
        gemm.pack({lanes, kSplitLanes, together * taps, src + i * job.weight_channel, job.weight_output, 1,
                   turned.data() + i * taps * kSplitLanes});
      for (size_t j = 0; j < jobs.size(); ++j)
        for (size_t s = 0; s < weights.order(j).size(); ++s) {
          const Step step = weights.order(j)[s];
          if (step.channel != c) continue;
          prefetch(job, weight, lanes, taps, c + kSplitDepth, asked++);
          const int64_t tap = jobs[j].taps[static_cast<size_t>(step.tap)].weight;
          for (int64_t i = 0; i < kSplitDepth; ++i)
            rows[i] = i < channels ? &turned[(i * taps + tap) * kSplitLanes] : nullptr;
          uint16_t* dst = panel(j) + static_cast<int64_t>(s) * split.step();
          safe = split.pair({rows, kSplitLanes, dst, 0}) && safe;
        }
    }
    return safe;
  }

  bool pack_runs(int64_t block) const {
    const ConvJob<T>& job = jobs[0];
    const auto taps = static_cast<int64_t>(job.taps.size());
    const int64_t per_group = weights.blocks_ / job.groups, first = block % per_group * kSplitLanes;
    const float* weight = job.weight + block / per_group * job.weight_group + first * job.weight_output;
    Scratch<float> plain(taps * job.channels * kSplitLanes);
    pack_outputs(job, select_gemm<float>(Isa::Avx512), weight, std::min(kSplitLanes, job.outputs - first),
                 kSplitLanes, plain.data());
    const int64_t depth = run * job.channels;
    uint16_t* dst = panel(0);
    bool safe = true;
    for (int64_t i = 0; i < taps / run; ++i, dst += split_steps(depth) * split.step())
      safe = split.pack_columns(
                 {kSplitLanes, depth, plain.data() + i * depth * kSplitLanes, 1, kSplitLanes, dst}) &&
             safe;
    return safe;
  }
};

template <class T>
SplitWeights::SplitWeights(const std::vector<ConvJob<T>>& jobs, const SplitKernel<float>& split, int64_t run,
                           bool later)
    : PackedWeights(key_of(jobs, split, run)),
      step_(split.step()),
      blocks_(blocks_of(jobs[0])),
      order_(orders_of(jobs, run)),
      first_(first_steps(order_)),
      panels_(later ? 0 : blocks_ * block_size(), jobs[0].kept != nullptr) {
  if (later) return;
  std::atomic<bool> safe{true};
  parallel_for(blocks_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      if (!pack(jobs, split, run, i, panels_.data() + i * block_size()))
        safe.store(false, std::memory_order_relaxed);
  });
  safe_ = safe.load();
}

template <class T>
bool SplitWeights::pack(const std::vector<ConvJob<T>>& jobs, const SplitKernel<float>& split, int64_t run,
                        int64_t block, uint16_t* to) const {
  return Packing<T>{*this, jobs, split, run, to}.pack(block);
}

template <class T>
std::shared_ptr<const SplitWeights> SplitWeights::of(const std::vector<ConvJob<T>>& jobs,
                                                     const SplitKernel<float>& split, int64_t run,
                                                     bool later) {
  return kept_or_made<SplitWeights>(jobs[0].kept, key_of(jobs, split, run), jobs, split, run, later);
}

template <class T>
std::vector<int64_t> key_of(const ConvJob<T>& job, const void* kernel) {
  std::vector<int64_t> key{reinterpret_cast<intptr_t>(job.weight),
                           reinterpret_cast<intptr_t>(kernel),
                           job.groups,
                           job.channels,
                           job.outputs,
                           job.weight_group,
                           job.weight_output,
                           job.weight_channel};
  for (const Tap& tap : job.taps) key.push_back(tap.weight);
  return key;
}

template <class T>
PlainWeights<T>::PlainWeights(const ConvJob<T>& job, const ConvKernel<T>& kernel)
    : PackedWeights(key_of(job, &kernel)),
      panel_(static_cast<int64_t>(job.taps.size()) * job.channels * kernel.outputs),
      blocks_((job.outputs + kernel.outputs - 1) / kernel.outputs),
      panels_(job.groups * blocks_ * panel_, job.kept != nullptr) {
  const GemmKernel<T>& gemm = select_gemm<T>(kernel.isa);
  parallel_for(job.groups * blocks_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % blocks_ * kernel.outputs;
      pack_outputs(job, gemm, job.weight + i / blocks_ * job.weight_group + first * job.weight_output,
                   std::min(kernel.outputs, job.outputs - first), kernel.outputs,
                   panels_.data() + i * panel_);
    }
  });
}

template <class T>
std::shared_ptr<const PlainWeights<T>> PlainWeights<T>::of(const ConvJob<T>& job,
                                                           const ConvKernel<T>& kernel) {
  return kept_or_made<PlainWeights>(job.kept, key_of(job, &kernel), job, kernel);
}

template void pack_outputs<float>(const ConvJob<float>&, const GemmKernel<float>&, const float*, int64_t,
                                  int64_t, float*);
template std::vector<int64_t> key_of<float>(const ConvJob<float>&, const void*);
template class PackedMemory<float>;
template class PackedMemory<uint16_t>;
template class PlainWeights<float>;
template class PlainWeights<double>;
#define RUSHLIGHT_INSTANTIATE(T)                                                                          \
  template std::shared_ptr<const SplitWeights> SplitWeights::of<T>(                                       \
      const std::vector<ConvJob<T>>&, const SplitKernel<float>&, int64_t, bool);                          \
  template bool SplitWeights::pack<T>(const std::vector<ConvJob<T>>&, const SplitKernel<float>&, int64_t, \
                                      int64_t, uint16_t*) const;
RUSHLIGHT_INSTANTIATE(float)
RUSHLIGHT_INSTANTIATE(uint16_t)

}  // namespace rushlight::kernels

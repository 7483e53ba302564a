// Weights in the order their kernels read them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "rushlight/base/scratch.h"
#include "rushlight/kernels/conv2d/job.h"
#include "rushlight/kernels/conv2d/winograd_steps.h"
#include "rushlight/kernels/conv2d/winograd_tiles.h"
#include "rushlight/kernels/gemm/split.h"

namespace rushlight::kernels {

// What a KeptWeights holds.
class PackedWeights {
 public:
  virtual ~PackedWeights() = default;
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;

  // What they were made from and for.
  const std::vector<int64_t>& key() const { return key_; }

 protected:
  explicit PackedWeights(std::vector<int64_t> key) : key_(std::move(key)) {}

 private:
  const std::vector<int64_t> key_;
};

// What `kept` holds if it was made for `key`, else new ones, which are left there.
template <class Weights, class... Args>
std::shared_ptr<const Weights> kept_or_made(KeptWeights* kept, const std::vector<int64_t>& key,
                                            const Args&... args) {
  if (kept != nullptr && *kept != nullptr && (*kept)->key() == key)
    return std::static_pointer_cast<const Weights>(*kept);
  auto made = std::make_shared<const Weights>(args...);
  if (kept != nullptr) *kept = made;
  return made;
}

// Memory of packed weights. Kept ones outlive the thread's scratch memory.
template <class T>
class PackedMemory {
 public:
  PackedMemory(int64_t count, bool kept);
  T* data() const { return data_; }

 private:
  struct Free {
    void operator()(void* memory) const;
  };
  std::optional<Scratch<T>> scratch_;
  std::unique_ptr<T, Free> owned_;
  T* data_;
};

// Packs `lanes` outputs of a job to [tap][channel][width]; `weight` is where they begin.
template <class T>
void pack_outputs(const ConvJob<T>& job, const GemmKernel<Wide<T>>& gemm, const Wide<T>* weight,
                  int64_t lanes, int64_t width, Wide<T>* packed);

// Equal for jobs whose weights are packed the same for `kernel`, as long as the weights do not change.
template <class T>
std::vector<int64_t> key_of(const ConvJob<T>& job, const void* kernel);

// The weights of jobs on the same kernel as panels of split numbers.
class SplitWeights : public PackedWeights {
 public:
  // `run`: how many taps follow each other without a gap, their channels sharing steps; above 1 for a single
  // job only. Taken from jobs[0].kept if they are there, and left there. Unless they are to be kept, `later`
  // leaves the packing to pack().
  template <class T>
  static std::shared_ptr<const SplitWeights> of(const std::vector<ConvJob<T>>& jobs,
                                                const SplitKernel<float>& split, int64_t run,
                                                bool later = false);
  template <class T>
  SplitWeights(const std::vector<ConvJob<T>>& jobs, const SplitKernel<float>& split, int64_t run, bool later);

  // Packs a block of kSplitLanes outputs of all jobs to `to`; false if some cannot be split.
  template <class T>
  bool pack(const std::vector<ConvJob<T>>& jobs, const SplitKernel<float>& split, int64_t run, int64_t block,
            uint16_t* to) const;

  // Where the steps of a job's panels begin. Taps of a row follow each other, then the next channels come,
  // then the next row: neighbouring taps read the same tiles of the source.
  struct Step {
    int64_t tap, channel;
  };
  const std::vector<Step>& order(size_t job) const { return order_[job]; }

  // Whether all of them can be split.
  bool safe() const { return safe_; }
  // Steps of a panel of a job.
  int64_t steps(size_t job) const { return static_cast<int64_t>(order_[job].size()); }
  // Numbers of the panels of a block, one for each job, and where a job's is among them.
  int64_t block_size() const { return first_.back() * step_; }
  int64_t offset(size_t job) const { return first_[job] * step_; }
  // Panel number `block` of outputs, counting through all groups, if they are packed.
  const uint16_t* panel(size_t job, int64_t block) const {
    return panels_.data() + block * block_size() + offset(job);
  }

 private:
  template <class T>
  struct Packing;  // what is needed while they are made

  int64_t step_;    // numbers in a step
  int64_t blocks_;  // of kSplitLanes outputs, in all groups
  std::vector<std::vector<Step>> order_;
  std::vector<int64_t> first_;  // step of each job, and of all
  PackedMemory<uint16_t> panels_;
  bool safe_ = true;
};

// The weights as the register tiles of FMA read them.
template <class T>
class PlainWeights : public PackedWeights {
 public:
  // Taken from job.kept if they are there, and left there.
  static std::shared_ptr<const PlainWeights> of(const ConvJob<T>& job, const ConvKernel<T>& kernel);
  PlainWeights(const ConvJob<T>& job, const ConvKernel<T>& kernel);

  // [tap][channel][output] of block number `block` of outputs, counting through all groups.
  const T* panel(int64_t block) const { return panels_.data() + block * panel_; }

 private:
  const int64_t panel_, blocks_;
  PackedMemory<T> panels_;
};

// Transformed weights: see Note [Winograd].
class WinogradWeights : public PackedWeights {
 public:
  // Taken from job.kept if they are there, and left there.
  static std::shared_ptr<const WinogradWeights> of(const ConvJob<float>& job,
                                                   const ConvKernel<float>& kernel);
  WinogradWeights(const ConvJob<float>& job, const ConvKernel<float>& kernel);

  // Whether all of them can be transformed.
  bool safe() const { return safe_; }
  // [channel][output] of a frequency, for a block of outputs.
  const float* panel(int64_t block, int64_t frequency) const {
    return panels_.data() + (block * kFrequencies + frequency) * panel_;
  }

 private:
  bool transform(const ConvJob<float>& job, const ConvKernel<float>& kernel, int64_t block);

  const int64_t panel_, blocks_;
  PackedMemory<float> panels_;
  bool safe_ = true;
};

// Transformed weights as split numbers: see Note [Winograd on tiles].
class WinogradTileWeights : public PackedWeights {
 public:
  // Taken from job.kept if they are there, and left there.
  static std::shared_ptr<const WinogradTileWeights> of(const ConvJob<float>& job,
                                                       const SplitKernel<float>& split);
  WinogradTileWeights(const ConvJob<float>& job, const SplitKernel<float>& split);

  // Whether all of them can be transformed.
  bool safe() const { return safe_; }
  // [group][frequency][panel][step] of a row of frequencies.
  const uint16_t* row(int64_t row) const { return memory_.data() + row * kWinogradRow * panels_ * panel_; }

 private:
  uint16_t* panel(int64_t frequency, int64_t panel) const;
  bool transform(const ConvJob<float>& job, const SplitKernel<float>& split, int64_t panel,
                 int64_t step) const;

  const int64_t panel_, panels_;  // numbers in a panel, panels of a frequency
  PackedMemory<uint16_t> memory_;
  bool safe_ = true;
};

}  // namespace rushlight::kernels

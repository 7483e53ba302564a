// Weights in the order their kernels read them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "rushlight/base/scratch.h"
#include "rushlight/kernels/conv2d/job.h"
#include "rushlight/kernels/gemm/split.h"

namespace rushlight::kernels {

// Packs `lanes` outputs of a job to [tap][channel][width]; `weight` is where they begin.
template <class T>
void pack_outputs(const ConvJob<T>& job, const GemmKernel<Wide<T>>& gemm, const Wide<T>* weight,
                  int64_t lanes, int64_t width, Wide<T>* packed);

// The weights of jobs on the same kernel as panels of split numbers.
class SplitWeights {
 public:
  // `run`: how many taps follow each other without a gap, their channels sharing steps; above 1 for a single
  // job only. Taken from jobs[0].kept if they are there, and left there.
  template <class T>
  static std::shared_ptr<const SplitWeights> of(const std::vector<ConvJob<T>>& jobs,
                                                const SplitKernel<float>& split, int64_t run);
  template <class T>
  SplitWeights(const std::vector<ConvJob<T>>& jobs, const SplitKernel<float>& split, int64_t run);

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
  // Numbers between panels.
  int64_t panel_size(size_t job) const { return steps(job) * step_; }
  // Panel number `block` of outputs, counting through all groups.
  const uint16_t* panel(size_t job, int64_t block) const {
    return panels_ + first_[job] * step_ + block * panel_size(job);
  }

 private:
  template <class T>
  struct Packing;  // what is needed while they are made
  struct Free {
    void operator()(uint16_t* memory) const;
  };

  std::vector<int64_t> key_;  // what they were made from and for
  int64_t step_;              // numbers in a step
  int64_t blocks_;            // of kSplitLanes outputs, in all groups
  std::vector<std::vector<Step>> order_;
  std::vector<int64_t> first_;  // step of each job
  // Kept ones outlive this thread's scratch memory.
  std::optional<Scratch<uint16_t>> scratch_;
  std::unique_ptr<uint16_t, Free> owned_;
  uint16_t* panels_;
  bool safe_ = true;
};

}  // namespace rushlight::kernels

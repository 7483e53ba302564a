// Weights in the order their kernels read them.
#pragma once

#include <cstdint>
#include <vector>

#include "rushlight/base/scratch.h"
#include "rushlight/kernels/conv2d/job.h"
#include "rushlight/kernels/gemm/split.h"

namespace rushlight::kernels {

// Packs `lanes` outputs of a job to [tap][channel][width]; `weight` is where they begin.
template <class T>
void pack_outputs(const ConvJob<T>& job, const GemmKernel<T>& gemm, const T* weight, int64_t lanes,
                  int64_t width, T* packed);

// The weights of jobs on the same kernel as panels of split numbers.
class SplitWeights {
 public:
  // `run`: how many taps follow each other without a gap, their channels sharing steps; above 1 for a single
  // job only. The jobs must live on.
  SplitWeights(const std::vector<ConvJob<float>>& jobs, const SplitKernel& split, int64_t run);

  // Whether all of them can be split.
  bool safe() const { return safe_; }
  // Steps of a panel of a job.
  int64_t steps(size_t job) const { return (first_[job + 1] - first_[job]) / blocks_; }
  // Numbers between panels.
  int64_t panel_size(size_t job) const { return steps(job) * kSplitStep; }
  // Panel number `block` of outputs, counting through all groups.
  const uint16_t* panel(size_t job, int64_t block) { return panel_data(job, block); }

 private:
  uint16_t* panel_data(size_t job, int64_t block) {
    return packed_.data() + first_[job] * kSplitStep + block * panel_size(job);
  }
  bool pack_taps(int64_t block);
  bool pack_runs(int64_t block, int64_t run);

  const std::vector<ConvJob<float>>& jobs_;
  const SplitKernel& split_;
  int64_t blocks_;              // of kSplitLanes outputs, in all groups
  std::vector<int64_t> first_;  // step of each job
  Scratch<uint16_t> packed_;
  bool safe_ = true;
};

}  // namespace rushlight::kernels

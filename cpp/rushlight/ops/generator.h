// The state of the random ops: a seed and how much of its sequence has been used.
#pragma once

#include <cstdint>
#include <mutex>

#include "rushlight/kernels/random/random.h"

namespace rushlight::ops {

class Generator {
 public:
  static constexpr uint64_t kDefaultSeed = 67280421310721;  // PyTorch's

  explicit Generator(uint64_t seed = kDefaultSeed) : position_{seed, 0} {}

  // Takes the numbers for `count` elements: where they begin. Safe from several threads.
  kernels::PhiloxPosition take(int64_t count) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const kernels::PhiloxPosition taken = position_;
    position_.offset += kernels::philox_blocks(count);
    return taken;
  }
  kernels::PhiloxPosition position() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return position_;
  }
  void set_position(kernels::PhiloxPosition position) {
    const std::lock_guard<std::mutex> lock(mutex_);
    position_ = position;
  }

 private:
  std::mutex mutex_;
  kernels::PhiloxPosition position_;
};

// What random ops use when none is given.
Generator& default_generator();

}  // namespace rushlight::ops

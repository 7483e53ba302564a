// Running a check at every ISA level of the machine and with several thread counts.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "rushlight/base/cpu.h"
#include "rushlight/base/parallel.h"

namespace rushlight::testing_tools {

// Calls body() for every level and 1, 2 and 3 threads.
template <class Body>
void everywhere(Body&& body) {
  const Isa level_before = active_isa();
  const int threads_before = num_threads();
  for (int level = 0; level <= static_cast<int>(best_isa()); ++level) {
    set_active_isa(static_cast<Isa>(level));
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      SCOPED_TRACE(testing::Message() << isa_name(static_cast<Isa>(level)) << ", " << threads << " threads");
      body();
    }
  }
  set_active_isa(level_before);
  set_num_threads(threads_before);
}

// Normally distributed values, always the same ones.
template <class T = float>
std::vector<T> normal(int64_t n, T mean = T(0), unsigned seed = 7) {
  std::mt19937 engine(seed);
  std::normal_distribution<T> draw(mean, T(1));
  std::vector<T> values(static_cast<size_t>(n));
  for (T& value : values) value = draw(engine);
  return values;
}

}  // namespace rushlight::testing_tools

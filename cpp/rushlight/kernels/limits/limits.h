// What this machine can do at most, measured: the yardstick beside which benches and RUSHLIGHT_VERBOSE put a
// kernel's time.
#pragma once

#include <string>

namespace rushlight::kernels {

// For the level in use and the number of threads in use.
struct MachineLimits {
  double fma;     // float32 operations a second: multiply-adds (two operations each) from registers alone
  double tiles;   // the same for bfloat16 products on tiles; 0 below level amx
  double stream;  // bytes a second: dst = a + s * b over arrays that no private cache holds
  double
      update;   // bytes a second: the same in place, b = a + s * b; nothing is fetched only to be overwritten
  double read;  // bytes a second: the sum of such an array
};

// The best of several short runs, so that a passing disturbance does not lower it. Measured on first use
// (about 0.1 s) and again when the level or the number of threads has changed.
MachineLimits machine_limits();

}  // namespace rushlight::kernels

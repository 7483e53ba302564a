// RUSHLIGHT_VERBOSE: one line an op on stderr.
#pragma once

#include <string>

#include "rushlight/base/trace.h"

namespace rushlight::ops {

// The fastest possible time of the event's work on this machine, over the time it took: its operations
// against the machine's arithmetic, its bytes against the memory where they are too many for the caches. 0 if
// unknown.
double share_of_limit(const trace::Event& event);

// "conv2d: 4.81 ms, 770 GFLOP/s, 62% of limit, kernel ..., float32 (16, 64, 56, 56), ... -> (16, 64, 56,
// 56)".
std::string describe(const trace::Event& event);

// Prints every op and graph node from now on, after a line that tells the level, threads and measured limits.
void start_verbose();

}  // namespace rushlight::ops

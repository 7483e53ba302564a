// The only place that knows threads. Everything else calls parallel_for.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

namespace rushlight {

// Threads a parallel_for may use. Default: min(CPU affinity, cgroup quota rounded down, cores),
// OMP_NUM_THREADS if that is set; 1 in a forked child (an OpenMP pool does not survive fork).
int num_threads();
// Sets it for the whole process; throws ValueError unless count >= 1.
void set_num_threads(int64_t count);
// True inside the body of a parallel_for that runs on several threads; nested calls run serially.
bool in_parallel_region();

namespace detail {
using PieceBody = void (*)(void* context, int64_t begin, int64_t end);
void parallel_for(int64_t count, int64_t grain, PieceBody body, void* context);
void parallel_shares(int64_t count, PieceBody body, void* context);
template <class Body>
void call_body(void* body, int64_t begin, int64_t end) {
  (*static_cast<Body*>(body))(begin, end);
}
}  // namespace detail

// Calls body(begin, end) over [0, count) cut into pieces of `grain` items (the last may be shorter).
// The cut depends on count and grain only, never on the number of threads, and each piece is one
// call: a body whose result depends only on its piece gives the same bits for any thread count.
// Every thread runs the body in the caller's floating-point mode (see FlushDenormals).
// Runs on the calling thread when there is one piece, inside another parallel_for, or after fork.
// The first exception thrown by a body is rethrown here once all pieces have stopped.
template <class Body>
void parallel_for(int64_t count, int64_t grain, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  detail::parallel_for(count, grain, &detail::call_body<Plain>,
                       const_cast<std::remove_const_t<Plain>*>(&body));
}

// The same where a thread profits from all of its work at once: body(begin, end) is called once a thread, and
// what it computes for an item must not depend on where the others are.
template <class Body>
void parallel_shares(int64_t count, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  detail::parallel_shares(count, &detail::call_body<Plain>, const_cast<std::remove_const_t<Plain>*>(&body));
}

// While one lives, this thread and the parallel_for calls it makes treat denormal numbers as zero (they make
// multiply-add kernels up to 100 times slower); then the mode is what it was. Kernels that only compare, copy
// or convert must not use it: there the difference would be seen.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  uint64_t saved_;
};

// Marks work long enough that other Python threads should run meanwhile: while one lives, the GIL
// is released (the bindings install the two functions; without bindings it does nothing).
class HeavyWork {
 public:
  // `items` is the number of elementary operations about to run; small work changes nothing.
  explicit HeavyWork(int64_t items);
  ~HeavyWork();
  HeavyWork(const HeavyWork&) = delete;
  HeavyWork& operator=(const HeavyWork&) = delete;

  // leave() gives the lock up if this thread holds it (returning a token, else null); enter(token) takes it
  // back.
  static void install(void* (*leave)(), void (*enter)(void*));

 private:
  void* token_ = nullptr;
};

}  // namespace rushlight

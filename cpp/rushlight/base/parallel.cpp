#include "rushlight/base/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "rushlight/base/check.h"

namespace rushlight {
namespace {

// cgroup v2 "quota period" or v1 quota and period files, in whole processors; 0 if unlimited.
int cgroup_processors() {
  long long quota = -1;
  long long period = 0;
  std::string first;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> first >> period) {
    if (first != "max") quota = std::atoll(first.c_str());
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return 0;
  return std::max(1, static_cast<int>(quota / period));
}

int default_threads() {
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const int asked = std::atoi(text);
    if (asked >= 1) return asked;
  }
  int count = omp_get_num_procs();
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) count = std::min(count, CPU_COUNT(&set));
#endif
  const int quota = cgroup_processors();
  if (quota > 0) count = std::min(count, quota);
  return std::max(count, 1);
}

std::atomic<int>& thread_count() {
  static std::atomic<int> count{default_threads()};
  return count;
}

std::atomic<bool> pool_started{false};
std::atomic<bool> forked_with_pool{false};
thread_local bool inside = false;

void after_fork_in_child() {
  if (pool_started.load()) forked_with_pool.store(true);
}

const int fork_handler = pthread_atfork(nullptr, nullptr, after_fork_in_child);

void* (*leave_lock)() = nullptr;
void (*enter_lock)(void*) = nullptr;

// The floating-point control word: rounding, exception masks, treatment of denormals.
#if defined(__x86_64__)
constexpr uint64_t kFlushBits = 0x8040;  // FTZ and DAZ
uint64_t float_mode() { return _mm_getcsr(); }
void set_float_mode(uint64_t mode) { _mm_setcsr(static_cast<unsigned>(mode)); }
#elif defined(__aarch64__)
constexpr uint64_t kFlushBits = uint64_t{1} << 24;  // FZ
uint64_t float_mode() {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
void set_float_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" ::"r"(mode)); }
#else
constexpr uint64_t kFlushBits = 0;
uint64_t float_mode() { return 0; }
void set_float_mode(uint64_t) {}
#endif

// Below this many elementary operations a release and re-take of the lock costs more than it gives.
constexpr int64_t kHeavyItems = 32768;

// Calls member(rank, team size) on every thread of a team and waits for all.
template <class Member>
void run_team(int threads, const Member& member) {
#ifdef __SANITIZE_THREAD__
  // ThreadSanitizer does not see how OpenMP's runtime synchronises and would report every region.
  std::vector<std::thread> others;
  for (int rank = 1; rank < threads; ++rank) others.emplace_back(member, rank, threads);
  member(0, threads);
  for (std::thread& other : others) other.join();
#else
#pragma omp parallel num_threads(threads)
  member(omp_get_thread_num(), omp_get_num_threads());
#endif
}

}  // namespace

int num_threads() { return forked_with_pool.load() ? 1 : thread_count().load(); }

void set_num_threads(int64_t count) {
  RUSHLIGHT_CHECK_VALUE(count >= 1 && count <= 4096,
                        "set_num_threads: expected a number of threads from 1 to 4096, got ", count);
  thread_count().store(static_cast<int>(count));
}

bool in_parallel_region() { return inside; }

void detail::parallel_for(int64_t count, int64_t grain, PieceBody body, void* context) {
  grain = std::max<int64_t>(grain, 1);
  rushlight::parallel_shares((count + grain - 1) / grain, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece)
      body(context, piece * grain, std::min((piece + 1) * grain, count));
  });
}

void detail::parallel_shares(int64_t count, PieceBody body, void* context) {
  if (count <= 0) return;
  const int threads = static_cast<int>(std::min<int64_t>(num_threads(), count));
  if (threads == 1 || inside) return body(context, 0, count);
  (void)fork_handler;
  pool_started.store(true);
  std::exception_ptr error;
  std::atomic<bool> failed{false};
  const uint64_t mode = float_mode();
  run_team(threads, [&](int64_t rank, int64_t team) {
    inside = true;
    const uint64_t own_mode = float_mode();  // the pool is shared with other OpenMP code of the process
    set_float_mode(mode);
    try {
      body(context, count * rank / team, count * (rank + 1) / team);
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
    set_float_mode(own_mode);
    inside = false;
  });
  if (error) std::rethrow_exception(error);
}

FlushDenormals::FlushDenormals() : saved_(float_mode()) { set_float_mode(saved_ | kFlushBits); }

FlushDenormals::~FlushDenormals() { set_float_mode(saved_); }

HeavyWork::HeavyWork(int64_t items) {
  if (items >= kHeavyItems && leave_lock != nullptr) token_ = leave_lock();
}

HeavyWork::~HeavyWork() {
  if (token_ != nullptr) enter_lock(token_);
}

void HeavyWork::install(void* (*leave)(), void (*enter)(void*)) {
  leave_lock = leave;
  enter_lock = enter;
}

}  // namespace rushlight

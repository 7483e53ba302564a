#include "rushlight/base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <utility>
#include <vector>

namespace rushlight {
namespace {

// Restores the thread count that a test changes.
class Threads {
 public:
  explicit Threads(int64_t count) : before_(num_threads()) { set_num_threads(count); }
  ~Threads() { set_num_threads(before_); }

 private:
  int before_;
};

std::vector<std::pair<int64_t, int64_t>> pieces_of(int64_t count, int64_t grain) {
  std::vector<std::pair<int64_t, int64_t>> pieces(count > 0 ? (count + grain - 1) / grain : 0, {-1, -1});
  parallel_for(count, grain, [&](int64_t begin, int64_t end) { pieces.at(begin / grain) = {begin, end}; });
  return pieces;
}

TEST(ParallelFor, CutsByCountAndGrainOnly) {
  const std::vector<std::pair<int64_t, int64_t>> expected = {{0, 4}, {4, 8}, {8, 10}};
  for (int threads : {1, 2, 3, 8}) {
    Threads scope(threads);
    EXPECT_EQ(pieces_of(10, 4), expected) << threads << " threads";
  }
}

TEST(ParallelFor, NothingToDoCallsNothing) {
  int calls = 0;
  parallel_for(0, 16, [&](int64_t, int64_t) { ++calls; });
  EXPECT_EQ(calls, 0);
}

TEST(ParallelFor, EveryItemOnce) {
  for (int threads : {1, 2, 8}) {
    Threads scope(threads);
    std::vector<std::atomic<int>> visits(1001);
    parallel_for(1001, 7, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++visits[i];
    });
    for (const auto& count : visits) ASSERT_EQ(count.load(), 1);
  }
}

TEST(ParallelFor, NestedCallsRunSeriallyInside) {
  Threads scope(4);
  std::atomic<int64_t> total{0};
  parallel_for(8, 1, [&](int64_t, int64_t) {
    EXPECT_TRUE(in_parallel_region());
    parallel_for(10, 3, [&](int64_t begin, int64_t end) { total += end - begin; });
  });
  EXPECT_EQ(total.load(), 80);
  EXPECT_FALSE(in_parallel_region());
}

TEST(ParallelFor, RethrowsAnExceptionOfTheBody) {
  for (int threads : {1, 4}) {
    Threads scope(threads);
    EXPECT_THROW(parallel_for(100, 1,
                              [](int64_t begin, int64_t) {
                                if (begin == 37) throw std::out_of_range("piece 37");
                              }),
                 std::out_of_range);
  }
}

TEST(SetNumThreads, RefusesLessThanOne) {
  EXPECT_ANY_THROW(set_num_threads(0));
  EXPECT_ANY_THROW(set_num_threads(-3));
}

}  // namespace
}  // namespace rushlight

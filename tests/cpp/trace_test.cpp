#include "rushlight/base/trace.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "rushlight/tensor/traced.h"

namespace rushlight::trace {
namespace {

std::vector<Event> heard;
void hear(const Event& event) { heard.push_back(event); }

struct Listening {
  Listening() {
    heard.clear();
    add_listener(&hear);
  }
  ~Listening() { remove_listener(&hear); }
};

TEST(Trace, NobodyListens) {
  const Scope scope("op", Kind::Op);
  EXPECT_FALSE(on());
  EXPECT_EQ(scope.event(), nullptr);
  EXPECT_EQ(Scope::innermost(), nullptr);
  note_flop(1);  // no scope: nothing happens
}

TEST(Trace, ScopesNestAndNotesGoToTheInnermost) {
  const Listening listening;
  {
    const Scope outer("outer", Kind::Range);
    {
      const Scope inner("inner", Kind::Op);
      note_kernel("a");
      note_kernel("b");
      note_kernel("a");
      note_flop(2);
      note_flop(3);
    }
    note_refused("why");
  }
  ASSERT_EQ(heard.size(), 2u);
  const Event &inner = heard[0], &outer = heard[1];
  EXPECT_EQ(inner.name, "inner");
  EXPECT_EQ(inner.depth, 1);
  EXPECT_EQ(inner.kernel, "a, b");
  EXPECT_EQ(inner.flop, 5);
  EXPECT_EQ(outer.refused, "why");
  EXPECT_EQ(outer.inside, inner.duration);
  EXPECT_GE(outer.duration, inner.duration);
}

TEST(Trace, ScopesMayEndOutOfOrder) {
  const Listening listening;
  auto first = std::make_unique<Scope>("first", Kind::Range);
  auto second = std::make_unique<Scope>("second", Kind::Range);
  first.reset();
  EXPECT_EQ(Scope::innermost(), second.get());
  second.reset();
  EXPECT_EQ(Scope::innermost(), nullptr);
  EXPECT_EQ(heard.size(), 2u);
}

TEST(Trace, ThreadsHaveScopesOfTheirOwn) {
  const Listening listening;
  const Scope scope("here", Kind::Op);
  std::thread([] {
    EXPECT_EQ(Scope::innermost(), nullptr);
    const Scope other("there", Kind::Op);
  }).join();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_NE(heard[0].thread, scope.event()->thread);
}

TEST(Trace, ViewsMoveNoBytes) {
  const Listening listening;
  const Tensor a = Tensor::empty({2, 3}, DType::Float32);
  {
    TracedCall call("view", Kind::Op);
    call.input(a);
    call.output(a.alias());
  }
  {
    TracedCall call("add_", Kind::Op);
    call.input(a);
    a.storage().bump_version();
    call.output(a);
  }
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_EQ(heard[0].bytes, 0);
  EXPECT_EQ(heard[1].bytes, 48);
  EXPECT_TRUE(heard[1].in_place);
  EXPECT_EQ(heard[1].inputs[0].sizes, (std::vector<int64_t>{2, 3}));
}

}  // namespace
}  // namespace rushlight::trace

#include "rushlight/base/cpu.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"

namespace rushlight {
namespace {

TEST(Cpu, ActiveLevelIsAvailable) {
  EXPECT_LE(active_isa(), best_isa());
  EXPECT_NE(available_isas().find(isa_name(active_isa())), std::string::npos);
  if (const char* asked = std::getenv("RUSHLIGHT_ISA")) {
    EXPECT_STREQ(isa_name(active_isa()), asked);
  }
}

TEST(Cpu, LevelCanBeLoweredButNotInvented) {
  const Isa before = active_isa();
  set_active_isa(Isa::Generic);
  EXPECT_EQ(active_isa(), Isa::Generic);
  set_active_isa(before);
  if (best_isa() < Isa::Amx) {
    EXPECT_THROW(set_active_isa(Isa::Amx), ValueError);
  }
}

TEST(Cpu, DenormalsAreFlushedInsideTheScopeOnly) {
  volatile float tiny = 1e-40f;
  float inside[8];
  set_num_threads(3);
  {
    FlushDenormals flush;
    parallel_for(8, 1, [&](int64_t begin, int64_t) { inside[begin] = tiny * 0.5f; });
  }
  float outside[8];
  parallel_for(8, 1, [&](int64_t begin, int64_t) { outside[begin] = tiny * 0.5f; });
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(inside[i], 0.0f) << i;
    EXPECT_NE(outside[i], 0.0f) << i;
  }
  EXPECT_NE(tiny * 0.5f, 0.0f);
}

}  // namespace
}  // namespace rushlight

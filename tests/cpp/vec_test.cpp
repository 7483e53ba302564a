#include <gtest/gtest.h>

#include "isa/vec_checks.h"
#include "rushlight/kernels/isa.h"

namespace rushlight::kernels {
namespace {

using Check = int (*)();

class VecTest : public testing::TestWithParam<Isa> {
 protected:
  // A level without a version of its own (AMX) is covered by the one below it.
  void expect_pass(PerIsa<Check> check) {
    if (GetParam() > best_isa()) GTEST_SKIP() << "this machine has no " << isa_name(GetParam());
    EXPECT_EQ(check.at(GetParam())(), 0) << "is the line of isa/vec_checks.inl.h that failed";
  }
};

#define RUSHLIGHT_VEC_CHECK(name) \
  {generic::name, RUSHLIGHT_AVX2(avx2::name), RUSHLIGHT_AVX512(avx512::name), nullptr}

TEST_P(VecTest, Float) { expect_pass(RUSHLIGHT_VEC_CHECK(check_vec_float)); }
TEST_P(VecTest, Double) { expect_pass(RUSHLIGHT_VEC_CHECK(check_vec_double)); }
TEST_P(VecTest, Int) { expect_pass(RUSHLIGHT_VEC_CHECK(check_vec_int)); }
TEST_P(VecTest, Bytes) { expect_pass(RUSHLIGHT_VEC_CHECK(check_vec_bytes)); }
TEST_P(VecTest, Conversions) { expect_pass(RUSHLIGHT_VEC_CHECK(check_vec_conversions)); }

INSTANTIATE_TEST_SUITE_P(Levels, VecTest, testing::Values(Isa::Generic, Isa::Avx2, Isa::Avx512),
                         [](const auto& level) { return std::string(isa_name(level.param)); });

}  // namespace
}  // namespace rushlight::kernels

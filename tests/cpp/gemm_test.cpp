#include "rushlight/kernels/gemm/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "everywhere.h"

namespace rushlight::kernels {
namespace {

using testing_tools::normal;

constexpr int64_t kGuard = 24;

// A matrix in a larger block of memory: any strides, not aligned, with guards around what may be written.
template <class T>
struct Operand {
  std::vector<T> memory;
  int64_t row, col;
  T* data;
  Operand(int64_t rows, int64_t cols, bool transposed, int64_t gap, unsigned seed)
      : row(transposed ? 1 : cols + gap), col(transposed ? rows + gap : 1) {
    memory = normal<T>(rows * cols + gap * (transposed ? cols : rows) + 2 * kGuard + 1, T(0), seed);
    data = memory.data() + kGuard + 1;  // not aligned to more than one element
  }
};

// a b + start, with the sum of the magnitudes of the terms: the scale of the error bound.
template <class T>
struct Expected {
  double value, magnitude;
  Expected(const GemmArgs<T>& x, const T* start, int64_t i, int64_t j) : value(0), magnitude(0) {
    for (int64_t p = 0; p < x.k; ++p) {
      const double term =
          static_cast<double>(x.a[i * x.a_row + p * x.a_col]) * x.b[p * x.b_row + j * x.b_col];
      value += term;
      magnitude += std::abs(term);
    }
    if (x.accumulate) value += start[i * x.c_row + j * x.c_col];
    if (x.bias != nullptr) value += x.bias[j];
  }
};

struct Shape {
  int64_t m, n, k;
};

template <class T>
void check_product(const GemmKernel<T>& kernel, Shape s, bool ta, bool tb, bool tc, int64_t gap,
                   bool accumulate) {
  SCOPED_TRACE(testing::Message() << kernel.name << " m=" << s.m << " n=" << s.n << " k=" << s.k
                                  << " strides " << ta << tb << tc << " gap " << gap << " accumulate "
                                  << accumulate << " (seeds 1 to 4)");
  const Operand<T> a(s.m, s.k, ta, gap, 1), b(s.k, s.n, tb, gap, 2);
  Operand<T> c(s.m, s.n, tc, gap, 3);
  const std::vector<T> before = c.memory, bias = normal<T>(s.n + 1, T(0), 4);
  GemmArgs<T> x;
  x.m = s.m, x.n = s.n, x.k = s.k;
  x.a = a.data, x.a_row = a.row, x.a_col = a.col;
  x.b = b.data, x.b_row = b.row, x.b_col = b.col;
  x.c = c.data, x.c_row = c.row, x.c_col = c.col;
  x.accumulate = accumulate;
  x.bias = accumulate || tc ? nullptr : bias.data();
  gemm_with(kernel, x);
  std::vector<bool> written(before.size());
  const T* start = before.data() + kGuard + 1;
  for (int64_t i = 0; i < s.m; ++i)
    for (int64_t j = 0; j < s.n; ++j) {
      const Expected<T> expected(x, start, i, j);
      const double bound =
          std::numeric_limits<T>::epsilon() *
          (static_cast<double>(s.k) * expected.magnitude + 2 * std::abs(expected.value) + 1e-6);
      ASSERT_NEAR(x.c[i * x.c_row + j * x.c_col], expected.value, bound) << "at " << i << ", " << j;
      written[static_cast<size_t>(c.data - c.memory.data() + i * c.row + j * c.col)] = true;
    }
  for (size_t i = 0; i < before.size(); ++i)
    ASSERT_TRUE(written[i] || c.memory[i] == before[i]) << "guard element " << i << " was changed";
}

// Sizes around the edges of a row's register tile and blocks.
template <class T>
std::vector<Shape> edge_shapes(const GemmKernel<T>& kernel) {
  std::vector<Shape> shapes{
      {0, 5, 5}, {5, 0, 5}, {3, 4, 0}, {1, 1, 1}, {2 * kernel.mc + 3, 2 * kernel.nr + 5, kernel.kc + 7}};
  for (const int64_t m :
       {kernel.mr - 1, kernel.mr, kernel.mr + 1, 2 * kernel.mr + 1, int64_t{41}, int64_t{90}})
    for (const int64_t n : {kernel.nr / 2, kernel.nr - 1, kernel.nr, kernel.nr + 1, 3 * kernel.nr + 7})
      shapes.push_back({m, n, 1 + (m * n) % 37});
  for (const int64_t m : {97, 128}) shapes.push_back({m, 131, 130}), shapes.push_back({m, 64, 700});
  for (const int64_t m : {1, 2, 3, 4, 5, 16, 17})
    shapes.push_back({m, 70, 133}), shapes.push_back({70, m, 133});
  return shapes;
}

template <class T>
class Gemm : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Gemm, Types);

TYPED_TEST(Gemm, EveryRowAgreesWithTheDefinition) {
  int count = 0, ran = 0;
  const GemmKernel<TypeParam>* rows = gemm_kernels<TypeParam>(&count);
  for (int r = 0; r < count; ++r) {
    if (rows[r].block == nullptr || rows[r].isa > best_isa()) continue;
    ++ran;
    for (const Shape& shape : edge_shapes(rows[r]))
      for (int mode = 0; mode < 4; ++mode)
        check_product(rows[r], shape, mode & 1, mode & 2, false, mode == 0 ? 0 : 3, mode == 2);
    check_product(rows[r], {33, 47, 29}, false, true, true, 2, false);
    check_product(rows[r], {33, 7, 29}, true, false, true, 2, true);
  }
  EXPECT_GE(ran, 1);
}

// Tiles split numbers into parts; what has no parts (infinities, NaN, huge numbers) must still act as in
// float32.
TEST(GemmSplit, SpecialValuesActAsInFloat32) {
  // Rows are kept or columns, in one block of lanes or two, which share what passes if one thread has both.
  for (const auto& [m, n] : {std::pair<int64_t, int64_t>{150, 170}, {270, 150}, {560, 550}}) {
    const int64_t k = 600;
    auto a = normal<float>(m * k, 0.0f, 1), b = normal<float>(k * n, 0.0f, 2);
    a[5 * k + 7] = INFINITY, a[100 * k + 3] = 1e38f, a[140 * k + 599] = -INFINITY, a[60 * k] = 1e-42f;
    b[9 * n + 160] = NAN, b[3 * n + 2] = 1e30f, b[550 * n + 60] = 3.39e38f;
    GemmArgs<float> x;
    x.m = m, x.n = n, x.k = k, x.a = a.data(), x.a_row = k, x.a_col = 1, x.b = b.data(), x.b_row = n,
    x.b_col = 1;
    std::vector<float> tiles(m * n), plain(m * n);
    x.c = tiles.data(), x.c_row = n;
    const int before = num_threads();
    std::vector<float> first;
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      gemm_with(select_gemm<float>(best_isa()), x);
      if (first.empty()) first = tiles;
      EXPECT_EQ(std::memcmp(first.data(), tiles.data(), sizeof(float) * tiles.size()), 0) << threads;
    }
    set_num_threads(before);
    x.c = plain.data();
    gemm_with(select_gemm<float>(Isa::Generic), x);
    for (int64_t i = 0; i < m * n; ++i) {
      ASSERT_EQ(std::isnan(tiles[i]), std::isnan(plain[i])) << i;
      if (std::isnan(plain[i])) continue;
      ASSERT_EQ(std::isinf(tiles[i]), std::isinf(plain[i])) << i;
      if (std::isinf(plain[i])) continue;
      ASSERT_NEAR(tiles[i], plain[i], 1e-3f + 1e-5f * std::abs(plain[i])) << i;
    }
  }
}

TEST(GemmSplit, IsAsAccurateAsFma) {
  if (best_isa() < Isa::Amx) GTEST_SKIP() << "this machine has no amx";
  const int64_t m = 200, n = 230, k = 900;
  const auto a = normal<float>(m * k, 0.0f, 1), b = normal<float>(k * n, 0.0f, 2);
  GemmArgs<float> x;
  x.m = m, x.n = n, x.k = k, x.a = a.data(), x.a_row = k, x.a_col = 1, x.b = b.data(), x.b_row = 1,
  x.b_col = k;
  std::vector<float> c(m * n);
  x.c = c.data(), x.c_row = n;
  double errors[2] = {};
  for (const Isa isa : {Isa::Avx512, Isa::Amx}) {
    gemm_with(select_gemm<float>(isa), x);
    for (int64_t i = 0; i < m * n; ++i)
      errors[isa == Isa::Amx] += std::pow(c[i] - Expected<float>(x, nullptr, i / n, i % n).value, 2);
  }
  EXPECT_LE(errors[1], errors[0]);
}

// Results are rounded once, however long the sums and whoever packs.
TEST(GemmBfloat16, AgreesWithTheDefinition) {
  if (active_isa() < Isa::Amx) GTEST_SKIP() << "the level in use has no tiles for bfloat16";
  const auto narrow = [](int64_t count, unsigned seed) {
    std::vector<uint16_t> numbers;
    for (const float value : normal<float>(count, 0.0f, seed)) {
      uint32_t bits = 0;
      std::memcpy(&bits, &value, sizeof(bits));
      numbers.push_back(static_cast<uint16_t>(bits >> 16));
    }
    return numbers;
  };
  const auto widen = [](uint16_t number) {
    const uint32_t bits = uint32_t{number} << 16;
    float value = 0;
    std::memcpy(&value, &bits, sizeof(bits));
    return value;
  };
  const int before = num_threads();
  for (const Shape s :
       {Shape{70, 90, 40}, Shape{600, 130, 900}, Shape{130, 600, 1700}, Shape{560, 570, 33}}) {
    const auto a = narrow(s.m * s.k, 1), b = narrow(s.k * s.n, 2);
    std::vector<uint16_t> c(s.m * s.n), first;
    GemmArgs<uint16_t> x;
    x.m = s.m, x.n = s.n, x.k = s.k, x.a = a.data(), x.a_row = s.k, x.a_col = 1, x.b = b.data(),
    x.b_row = s.n, x.b_col = 1, x.c = c.data(), x.c_row = s.n;
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      ASSERT_TRUE(gemm_bf16(x));
      if (first.empty()) first = c;
      EXPECT_EQ(c, first) << threads << " threads, m=" << s.m;
    }
    for (int64_t e = 0; e < s.m * s.n; e += 61) {
      double sum = 0, magnitude = 0;
      for (int64_t p = 0; p < s.k; ++p) {
        const double term = double{widen(a[e / s.n * s.k + p])} * widen(b[p * s.n + e % s.n]);
        sum += term, magnitude += std::abs(term);
      }
      ASSERT_NEAR(widen(c[e]), sum, std::abs(sum) / 256 + magnitude * 1e-6) << "m=" << s.m << " at " << e;
    }
  }
  set_num_threads(before);
}

TYPED_TEST(Gemm, NegativeAndZeroStrides) {
  const auto values = normal<TypeParam>(64);
  std::vector<TypeParam> c(9 * 35);
  GemmArgs<TypeParam> x;
  x.m = 9, x.n = 35, x.k = 20;
  x.a = values.data() + 40, x.a_row = 1, x.a_col = -2;
  x.b = values.data(), x.b_row = 1, x.b_col = 0;
  x.c = c.data(), x.c_row = 35;
  gemm(x);
  for (int64_t i = 0; i < 9; ++i)
    for (int64_t j = 0; j < 35; ++j)
      EXPECT_NEAR(c[i * 35 + j], Expected<TypeParam>(x, nullptr, i, j).value, 1e-4);
}

TYPED_TEST(Gemm, BatchesAgreeWithSingleProducts) {
  const int64_t m = 5, n = 37, k = 11, batch = 7;
  const auto a = normal<TypeParam>(batch * m * k, TypeParam(0), 1),
             b = normal<TypeParam>(k * n, TypeParam(0), 2);
  std::vector<TypeParam> c(batch * m * n), one(m * n);
  GemmArgs<TypeParam> x;
  x.m = m, x.n = n, x.k = k, x.batch = batch;
  x.a = a.data(), x.a_row = k, x.a_col = 1, x.a_batch = m * k;
  x.b = b.data(), x.b_row = n, x.b_col = 1;  // the same matrix for all
  x.c = c.data(), x.c_row = n, x.c_batch = m * n;
  gemm(x);
  x.batch = 1, x.c = one.data();
  for (int64_t i = 0; i < batch; ++i, x.a += m * k) {
    gemm(x);
    for (int64_t e = 0; e < m * n; ++e) ASSERT_EQ(c[i * m * n + e], one[e]) << i << ", " << e;
  }
}

TYPED_TEST(Gemm, SameBitsForAnyNumberOfThreads) {
  for (const Shape s : {Shape{300, 200, 700}, Shape{560, 600, 270}, Shape{3, 3000, 512}, Shape{3000, 3, 512},
                        Shape{12, 999, 4100}, Shape{1, 1, 50000}}) {
    const auto a = normal<TypeParam>(s.m * s.k, TypeParam(0), 1),
               b = normal<TypeParam>(s.k * s.n, TypeParam(0), 2);
    GemmArgs<TypeParam> x;
    x.m = s.m, x.n = s.n, x.k = s.k;
    x.a = a.data(), x.a_row = s.k, x.a_col = 1;
    x.b = b.data(), x.b_row = s.n, x.b_col = 1;
    std::vector<TypeParam> first;
    const int before = num_threads();
    for (const int threads : {1, 2, 3, 8}) {
      set_num_threads(threads);
      std::vector<TypeParam> c(s.m * s.n);
      x.c = c.data(), x.c_row = s.n;
      gemm(x);
      if (first.empty()) first = c;
      EXPECT_EQ(c, first) << threads << " threads, m=" << s.m;
    }
    set_num_threads(before);
  }
}

TEST(GemmSelection, TakesTheBestRowOfALevelAndSaysWhy) {
  EXPECT_STREQ(select_gemm<float>(Isa::Generic).name, "gemm_f32_4x8_generic");
  std::string why;
  EXPECT_EQ(select_gemm<float>(Isa::Generic, &why).isa, Isa::Generic);
  EXPECT_NE(why.find("avx512"), std::string::npos) << why;
  if (best_isa() < Isa::Avx512) GTEST_SKIP() << "this machine has no avx512";
  EXPECT_STREQ(select_gemm<float>(Isa::Avx512).name, "gemm_f32_14x32_avx512");
}

TEST(GemmSelection, SmallProductsAreNotPacked) {
  const GemmKernel<float>& kernel = select_gemm<float>(Isa::Generic);
  GemmArgs<float> x;
  x.m = x.n = x.k = 16, x.a_row = 16, x.a_col = 1, x.b_row = 16, x.b_col = 1;
  EXPECT_EQ(select_gemm_path(x, kernel), GemmPath::Direct);
  x.b_row = 1, x.b_col = 16;
  EXPECT_EQ(select_gemm_path(x, kernel), GemmPath::Dots);
  x.m = x.n = x.k = 500;
  EXPECT_EQ(select_gemm_path(x, kernel), GemmPath::Packed);
}

TEST(GemmIntegers, WrapAround) {
  const std::vector<int32_t> a{1 << 30, 3, -5, 7}, b{4, 2, 1, -1};
  std::vector<int32_t> c(4);
  GemmArgs<int32_t> x;
  x.m = x.n = x.k = 2, x.a = a.data(), x.a_row = 2, x.a_col = 1, x.b = b.data(), x.b_row = 2, x.b_col = 1;
  x.c = c.data(), x.c_row = 2;
  gemm(x);
  EXPECT_EQ(c, (std::vector<int32_t>{3, INT32_MAX - 2, -13, -17}));
}

}  // namespace
}  // namespace rushlight::kernels

#include "rushlight/kernels/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "rushlight/base/cpu.h"
#include "rushlight/base/parallel.h"

namespace rushlight::kernels {
namespace {

using Op = ElementwiseOp;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<Isa> levels() {
  std::vector<Isa> all;
  for (int i = 0; i <= std::min(static_cast<int>(best_isa()), static_cast<int>(Isa::Avx512)); ++i)
    all.push_back(static_cast<Isa>(i));
  return all;
}

class Elementwise : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    before_ = active_isa();
    threads_ = num_threads();
    set_active_isa(GetParam());
    ASSERT_EQ(active_isa(), GetParam());
  }
  void TearDown() override {
    set_active_isa(before_);
    set_num_threads(threads_);
  }
  Isa before_;
  int threads_;
};
INSTANTIATE_TEST_SUITE_P(Levels, Elementwise, testing::ValuesIn(levels()),
                         [](const auto& level) { return isa_name(level.param); });

template <class Out, class T>
std::vector<Out> apply(Op op, const std::vector<std::vector<T>>& sources,
                       const ElementwiseScalars& scalars = {}) {
  const int64_t count = static_cast<int64_t>(sources[0].size());
  const int64_t one = 1;
  std::vector<ElementwiseOperand> operands;
  for (const auto& source : sources) operands.push_back({source.data(), &one, DTypeOf<T>::value});
  std::vector<Out> result(sources[0].size());
  elementwise(op, DTypeOf<T>::value, 1, &count, {result.data(), &one, DTypeOf<Out>::value}, operands.data(),
              scalars);
  return result;
}

// Random bit patterns (every magnitude, both signs), a dense stretch around 0 and the special values.
std::vector<float> arguments(uint32_t seed) {
  std::vector<float> values = {
      0.f,    -0.f,  1.f,   -1.f,   0.5f,  -0.5f,    2.f,      -2.f,          3.f,    kInf,
      -kInf,  kNan,  88.7f, 88.73f, -88.f, -103.9f,  -104.f,   3.4028235e38f, 1e-45f, -1e-45f,
      1e-38f, 710.f, 0.97f, -0.97f, 10.f,  524288.f, 524289.f, 1e10f,         1e30f,  1.17549435e-38f};
  std::mt19937 random(seed);
  for (int i = 0; i < 20000; ++i) {
    const uint32_t bits = random();
    float value;
    std::memcpy(&value, &bits, 4);
    values.push_back(value);
  }
  for (int i = -20000; i <= 20000; ++i) values.push_back(static_cast<float>(i) * 6.1e-4f);
  return values;
}

// Distance in units in the last place of the float nearest to `exact`; 0 if both are NaN or the same
// infinity.
double ulp_error(float got, double exact) {
  const float nearest = static_cast<float>(exact);
  if (std::isnan(nearest) || std::isnan(got)) return std::isnan(nearest) == std::isnan(got) ? 0 : 1e9;
  if (std::isinf(nearest) || std::isinf(got)) {
    if (got == nearest) return 0;
    // at the edge of overflow either is a rounding of the other
    return std::abs(exact) < 3.4028237e38 && std::abs(exact) > 3.4028233e38 ? 1 : 1e9;
  }
  if (nearest == 0)
    return std::abs(got) / std::ldexp(1.0, -149) + (std::signbit(got) != std::signbit(nearest) ? 1e9 : 0);
  const double ulp = std::max(std::ldexp(1.0, std::ilogb(nearest) - 23), std::ldexp(1.0, -149));
  return std::abs(got - exact) / ulp;
}

struct Smooth {
  Op op;
  double (*reference)(double);
  ElementwiseScalars scalars = {};
  double limit = 2.0;  // in ulp
};
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double normal_cdf(double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); }
double gelu_tanh(double x) {
  return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

const std::vector<Smooth>& smooth_ops() {
  static const std::vector<Smooth> all = {
      {Op::Exp, std::exp, {}, 0.7},
      {Op::Exp2, std::exp2},
      {Op::Expm1, std::expm1, {}, 1.0},
      {Op::Log, std::log, {}, 0.9},
      {Op::Log2, std::log2, {}, 1.1},
      {Op::Log10, std::log10, {}, 1.1},
      {Op::Log1p, std::log1p, {}, 0.9},
      {Op::Sin, std::sin},
      {Op::Cos, std::cos},
      {Op::Tan, std::tan},
      {Op::Asin, std::asin},
      {Op::Acos, std::acos},
      {Op::Atan, std::atan},
      {Op::Sinh, std::sinh},
      {Op::Cosh, std::cosh},
      {Op::Tanh, std::tanh, {}, 0.75},
      {Op::Asinh, std::asinh},
      {Op::Acosh, std::acosh},
      {Op::Atanh, std::atanh},
      {Op::Erf, std::erf},
      {Op::Erfc, std::erfc},
      {Op::Sqrt, std::sqrt},
      {Op::Rsqrt, [](double x) { return 1 / std::sqrt(x); }},
      {Op::Reciprocal, [](double x) { return 1 / x; }},
      {Op::Sigmoid, sigmoid, {}, 1.5},
      {Op::LogSigmoid, [](double x) { return -softplus(-x); }},
      {Op::Softplus, softplus, {{1, 1e30, 0}, {0, 0, 0}}},
      {Op::Silu, [](double x) { return x * sigmoid(x); }},
      {Op::Gelu, [](double x) { return x * normal_cdf(x); }, {}, 1.0},
      {Op::Elu, [](double x) { return x > 0 ? x : std::expm1(x); }, {{1, 1, 1}, {0, 0, 0}}},
      {Op::Mish, [](double x) { return x * std::tanh(softplus(x)); }},
  };
  return all;
}

TEST_P(Elementwise, SmoothFunctionsAreWithinTheirLimits) {
  const std::vector<float> x = arguments(7);
  for (const Smooth& smooth : smooth_ops()) {
    const std::vector<float> y = apply<float, float>(smooth.op, {x}, smooth.scalars);
    double worst = 0;
    float at = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const bool gated = smooth.op == Op::Silu || smooth.op == Op::Gelu || smooth.op == Op::Mish;
      if (gated && x[i] < -80)
        continue;  // x * 0 at the far end: its sign and the denormals before are checked below
      const double error = ulp_error(y[i], smooth.reference(x[i]));
      if (error > worst) {
        worst = error;
        at = x[i];
      }
    }
    EXPECT_LE(worst, smooth.limit) << "op " << static_cast<int>(smooth.op) << " at " << at;
    if (std::getenv("RUSHLIGHT_TEST_VERBOSE") != nullptr)
      std::printf("op %d: %.3f ulp at %g\n", static_cast<int>(smooth.op), worst, static_cast<double>(at));
  }
}

TEST_P(Elementwise, LogarithmsOfPowersAreExact) {
  std::vector<float> two, ten;
  for (int k = -149; k <= 127; ++k) two.push_back(std::ldexp(1.0f, k));
  for (int k = 0; k <= 10; ++k) ten.push_back(static_cast<float>(std::pow(10.0, k)));
  const auto binary = apply<float, float>(Op::Log2, {two});
  const auto decimal = apply<float, float>(Op::Log10, {ten});
  for (size_t i = 0; i < two.size(); ++i) EXPECT_EQ(binary[i], static_cast<float>(i) - 149);
  for (size_t i = 0; i < ten.size(); ++i) EXPECT_EQ(decimal[i], static_cast<float>(i));
}

TEST_P(Elementwise, GeluTanhWithinRoundingOfItsTerms) {
  const std::vector<float> x = arguments(8);
  const std::vector<float> y = apply<float, float>(Op::GeluTanh, {x});
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) || std::isinf(x[i])) continue;
    EXPECT_NEAR(y[i], gelu_tanh(x[i]), 1e-7 * std::abs(x[i]) + 1e-45) << x[i];
  }
}

TEST_P(Elementwise, PowAndAtan2OfAllPairsOfSpecialValues) {
  const float values[] = {0.f,        -0.f,    1.f,   -1.f,   0.5f,       -0.5f,
                          2.f,        -2.f,    3.f,   -3.f,   2.5f,       -2.5f,
                          1e-40f,     -1e-40f, 1e30f, -1e30f, 16777217.f, -16777216.f,
                          33554432.f, kInf,    -kInf, kNan,   0.9999999f, 1.0000001f};
  std::vector<float> a, b;
  for (float x : values)
    for (float y : values) {
      a.push_back(x);
      b.push_back(y);
    }
  std::mt19937 random(3);
  std::uniform_real_distribution<float> base(0.f, 100.f), exponent(-20.f, 20.f);
  for (int i = 0; i < 20000; ++i) {
    a.push_back(base(random));
    b.push_back(exponent(random));
  }
  const auto power = apply<float, float>(Op::Pow, {a, b});
  const auto angle = apply<float, float>(Op::Atan2, {a, b});
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_LE(ulp_error(power[i], std::pow(static_cast<double>(a[i]), b[i])), 2) << a[i] << " ^ " << b[i];
    EXPECT_LE(ulp_error(angle[i], std::atan2(static_cast<double>(a[i]), b[i])), 2) << a[i] << " " << b[i];
  }
}

// A value must not depend on where in a run or beside what it is computed.
TEST_P(Elementwise, ValuesDoNotDependOnPosition) {
  std::vector<float> x = arguments(9);
  x.resize(301);
  for (const Smooth& smooth : smooth_ops()) {
    const auto whole = apply<float, float>(smooth.op, {x}, smooth.scalars);
    for (size_t i = 0; i < x.size(); i += 7) {
      const auto single = apply<float, float>(smooth.op, {{x[i]}}, smooth.scalars);
      EXPECT_EQ(std::memcmp(&single[0], &whole[i], 4), 0) << static_cast<int>(smooth.op) << " " << x[i];
    }
  }
}

TEST_P(Elementwise, LayoutsTypesAndThreads) {
  std::mt19937 random(5);
  std::vector<float> data(200 * 350);
  for (float& value : data) value = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 8;
  const struct {
    std::vector<int64_t> shape, a, b, dst;
  } cases[] = {
      {{}, {}, {}, {}},
      {{0}, {1}, {1}, {1}},
      {{17}, {1}, {0}, {1}},
      {{17}, {0}, {3}, {2}},
      {{1500}, {0}, {1}, {1}},
      {{33, 65}, {65, 1}, {0, 1}, {65, 1}},
      {{33, 65}, {65, 1}, {1, 0}, {65, 1}},
      {{200, 350}, {350, 1}, {1, 200}, {350, 1}},
      {{2, 3, 5, 7}, {105, 1, 21, 3}, {105, 35, 7, 1}, {105, 35, 7, 1}},
      {{2, 3, 5, 7}, {105, 1, 21, 3}, {0, 1, 0, 0}, {105, 1, 21, 3}},
      {{50, 40}, {-40, -1}, {40, 1}, {40, 1}},
  };
  for (const auto& c : cases) {
    int64_t count = 1;
    for (int64_t size : c.shape) count *= size;
    const int ndim = static_cast<int>(c.shape.size());
    const float* a = data.data() + (ndim == 2 && c.a[0] < 0 ? 1999 : 0);
    for (int threads : {1, 4}) {
      set_num_threads(threads);
      std::vector<float> dst(data.size(), -1.f);
      std::vector<int32_t> as_int(data.size(), -1);
      std::vector<uint8_t> greater(data.size(), 7);
      const ElementwiseOperand operands[] = {{a, c.a.data(), DType::Float32},
                                             {data.data(), c.b.data(), DType::Float32}};
      elementwise(Op::Mul, DType::Float32, ndim, c.shape.data(), {dst.data(), c.dst.data(), DType::Float32},
                  operands);
      elementwise(Op::Mul, DType::Float32, ndim, c.shape.data(), {as_int.data(), c.dst.data(), DType::Int32},
                  operands);
      elementwise(Op::Gt, DType::Float32, ndim, c.shape.data(), {greater.data(), c.dst.data(), DType::Bool},
                  operands);
      for (int64_t i = 0; i < count; ++i) {
        int64_t rest = i, at = 0, left = 0, right = 0;
        for (int d = ndim; d-- > 0; rest /= c.shape[static_cast<size_t>(d)]) {
          const size_t k = static_cast<size_t>(d);
          const int64_t index = rest % c.shape[k];
          at += index * c.dst[k];
          left += index * c.a[k];
          right += index * c.b[k];
        }
        const float product = a[left] * data[static_cast<size_t>(right)];
        ASSERT_EQ(dst[static_cast<size_t>(at)], product) << i;
        ASSERT_EQ(as_int[static_cast<size_t>(at)], static_cast<int32_t>(product)) << i;
        ASSERT_EQ(greater[static_cast<size_t>(at)], a[left] > data[static_cast<size_t>(right)]) << i;
      }
    }
  }
}

TEST_P(Elementwise, HugeTrigonometricArgumentsInPlace) {
  std::vector<float> x(1000);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) * (i % 3 == 0 ? 1e33f : 0.37f);
  std::vector<float> y = x;
  const int64_t count = 1000, one = 1;
  const ElementwiseOperand operand = {y.data(), &one, DType::Float32};
  elementwise(Op::Cos, DType::Float32, 1, &count, {y.data(), &one, DType::Float32}, &operand);
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_LE(ulp_error(y[i], std::cos(static_cast<double>(x[i]))), 1) << x[i];
}

TEST_P(Elementwise, NanAndSignRules) {
  const std::vector<float> a = {kNan, 1.f, kNan, -0.f, 2.f, kInf, -kInf};
  const std::vector<float> b = {1.f, kNan, kNan, 0.f, 1.f, 1.f, 1.f};
  const auto maximum = apply<float, float>(Op::Maximum, {a, b});
  const auto fmax = apply<float, float>(Op::Fmax, {a, b});
  EXPECT_TRUE(std::isnan(maximum[0]) && std::isnan(maximum[1]) && std::isnan(maximum[2]));
  EXPECT_EQ(fmax[0], 1.f);
  EXPECT_EQ(fmax[1], 1.f);
  EXPECT_TRUE(std::isnan(fmax[2]));
  EXPECT_EQ(maximum[5], kInf);
  const auto relu = apply<float, float>(Op::Relu, {a});
  EXPECT_TRUE(std::isnan(relu[0]));
  EXPECT_EQ(relu[6], 0.f);
  const auto sign = apply<float, float>(Op::Sign, {a});
  EXPECT_EQ(sign[0], 0.f);
  EXPECT_EQ(sign[6], -1.f);
  const auto finite = apply<uint8_t, float>(Op::IsFinite, {a});
  EXPECT_EQ(finite, (std::vector<uint8_t>{0, 1, 0, 1, 1, 0, 0}));
}

TEST(ElementwiseIntegers, DivisionFollowsPython) {
  const std::vector<int64_t> a = {7, -7, 7, -7, 0, 5, INT64_MIN, 6};
  const std::vector<int64_t> b = {3, 3, -3, -3, 4, 0, -1, -2};
  EXPECT_EQ((apply<int64_t, int64_t>(Op::FloorDivide, {a, b})),
            (std::vector<int64_t>{2, -3, -3, 2, 0, 0, INT64_MIN, -3}));
  EXPECT_EQ((apply<int64_t, int64_t>(Op::TruncDivide, {a, b})),
            (std::vector<int64_t>{2, -2, -2, 2, 0, 0, INT64_MIN, -3}));
  EXPECT_EQ((apply<int64_t, int64_t>(Op::Remainder, {a, b})),
            (std::vector<int64_t>{1, 2, -2, -1, 0, 0, 0, 0}));
  EXPECT_EQ((apply<int64_t, int64_t>(Op::Fmod, {a, b})), (std::vector<int64_t>{1, -1, 1, -1, 0, 0, 0, 0}));
  const int64_t count = 8, one = 1, four = 4;
  EXPECT_TRUE(has_zero(1, &count, {b.data(), &one, DType::Int64}));
  EXPECT_FALSE(has_zero(1, &four, {b.data(), &one, DType::Int64}));
}

TEST(ElementwiseIntegers, NarrowTypesWrap) {
  const std::vector<int8_t> a = {127, -128, -128, 100, 3, -1};
  const std::vector<int8_t> b = {1, 1, -1, 2, 5, 3};
  EXPECT_EQ((apply<int8_t, int8_t>(Op::Add, {a, b})), (std::vector<int8_t>{-128, -127, 127, 102, 8, 2}));
  EXPECT_EQ((apply<int8_t, int8_t>(Op::Mul, {a, b})), (std::vector<int8_t>{127, -128, -128, -56, 15, -3}));
  EXPECT_EQ((apply<int8_t, int8_t>(Op::FloorDivide, {a, b})),
            (std::vector<int8_t>{127, -128, -128, 50, 0, -1}));
  EXPECT_EQ((apply<int8_t, int8_t>(Op::Abs, {a})), (std::vector<int8_t>{127, -128, -128, 100, 3, 1}));
  EXPECT_EQ((apply<int8_t, int8_t>(Op::Pow, {a, b})), (std::vector<int8_t>{127, -128, 0, 16, -13, -1}));
  ElementwiseScalars width;
  width.integer[0] = 8;
  EXPECT_EQ((apply<int8_t, int8_t>(Op::ShiftRight, {{-128, 64, -1, 5}, {1, 2, 100, -1}}, width)),
            (std::vector<int8_t>{-64, 16, -1, 0}));
  EXPECT_EQ((apply<int8_t, int8_t>(Op::ShiftLeft, {{1, 64, 3, 5}, {7, 1, 8, -1}}, width)),
            (std::vector<int8_t>{-128, -128, 0, 0}));
  EXPECT_EQ((apply<uint8_t, uint8_t>(Op::BitwiseNot, {{0, 255, 15}})), (std::vector<uint8_t>{255, 0, 240}));
  EXPECT_EQ((apply<uint8_t, uint8_t>(Op::Sub, {{0}, {1}})), (std::vector<uint8_t>{255}));
}

TEST(ElementwiseReals, DivisionFollowsPython) {
  const std::vector<double> a = {7.5, -7.5, 7.5, 1.0, -0.0, 1.0, 6.0};
  const std::vector<double> b = {2.0, 2.0, -2.0, 0.1, 3.0, 0.0, -3.0};
  const auto floor = apply<double, double>(Op::FloorDivide, {a, b});
  const auto rest = apply<double, double>(Op::Remainder, {a, b});
  EXPECT_EQ(floor, (std::vector<double>{3, -4, -4, 9, -0.0, HUGE_VAL, -2}));
  EXPECT_EQ(rest[1], 0.5);
  EXPECT_EQ(rest[2], -0.5);
  EXPECT_TRUE(std::isnan(rest[5]));
  EXPECT_EQ(rest[6], 0.0);
}

TEST(ElementwiseHalves, ComputeInFloatAndRoundOnce) {
  std::vector<BFloat16> a, b;
  for (int i = 0; i < 1000; ++i) {
    a.push_back(static_cast<float>(i) * 0.37f);
    b.push_back(1.f / static_cast<float>(i + 1));
  }
  const auto product = apply<BFloat16, BFloat16>(Op::Mul, {a, b});
  const auto grown = apply<BFloat16, BFloat16>(Op::Sqrt, {a});
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(product[i].bits, BFloat16(float(a[i]) * float(b[i])).bits);
    EXPECT_EQ(grown[i].bits, BFloat16(std::sqrt(float(a[i]))).bits);
  }
}

TEST(ElementwiseTernary, WhereClampLerp) {
  const bool condition[] = {true, false, true};
  const double a[] = {1, 2, 3};
  const int64_t b[] = {-1, -2, -3};
  double dst[3];
  const int64_t count = 3, one = 1, back = -1;
  const ElementwiseOperand operands[] = {
      {condition, &one, DType::Bool}, {a, &one, DType::Float64}, {b + 2, &back, DType::Int64}};
  elementwise(Op::Where, DType::Float64, 1, &count, {dst, &one, DType::Float64}, operands);
  EXPECT_EQ(dst[0], 1);
  EXPECT_EQ(dst[1], -2);
  EXPECT_EQ(dst[2], 3);
  EXPECT_EQ((apply<float, float>(Op::ClampTensor, {{1.f, kNan, 9.f}, {2.f, 0.f, 0.f}, {3.f, 1.f, 5.f}}))[2],
            5.f);
  EXPECT_EQ((apply<float, float>(Op::Lerp, {{1.f}, {3.f}, {1.f}}))[0], 3.f);
}

TEST(ElementwiseTable, SupportsWhatItSays) {
  EXPECT_TRUE(elementwise_supports(Op::Add, DType::Bool));
  EXPECT_FALSE(elementwise_supports(Op::Exp, DType::Int64));
  EXPECT_FALSE(elementwise_supports(Op::BitwiseAnd, DType::Float32));
  EXPECT_TRUE(elementwise_supports(Op::Remainder, DType::BFloat16));
  EXPECT_EQ(elementwise_operands(Op::Where), 3);
  EXPECT_TRUE(elementwise_is_predicate(Op::LogicalNot));
}

}  // namespace
}  // namespace rushlight::kernels

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "rushlight/base/cpu.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/kernels/elementwise/copy.h"

namespace rushlight::kernels {
namespace {

std::vector<int64_t> row_major(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * std::max<int64_t>(shape[d], 1);
  return strides;
}

// Offset of the element that row-major number `linear` of `shape` has under `strides`.
int64_t offset_of(int64_t linear, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  int64_t offset = 0;
  for (size_t d = shape.size(); d-- > 0;) {
    offset += linear % shape[d] * strides[d];
    linear /= shape[d];
  }
  return offset;
}

struct Layout {
  std::vector<int64_t> shape, src, dst;
  int64_t src_base = 0, dst_base = 0;  // where the element of index 0 lies
};

// Layouts that hurt: empty, 0-d, ones, negative steps, broadcast, transposes around the tile size, gaps.
std::vector<Layout> layouts() {
  std::vector<Layout> all = {
      {{}, {}, {}},
      {{1, 1}, {77, -3}, {5, 9}},
      {{0, 3}, {3, 1}, {3, 1}},
      {{7}, {-1}, {1}, 6, 0},
      {{7}, {0}, {-2}, 3, 12},
      {{5, 6}, {0, 1}, {6, 1}},
      {{5, 6}, {1, 0}, {6, 1}},
      {{3, 4, 5}, {20, 5, 1}, {40, 10, 2}},
      {{2, 3, 4, 5}, {60, 20, 5, 1}, {60, 1, 15, 3}},
      {{2, 17, 9, 11}, {1683, 1, 187, 17}, {1683, 99, 11, 1}},
  };
  for (int64_t rows : {3, 15, 16, 17, 33, 250})
    for (int64_t columns : {4, 16, 31, 300}) all.push_back({{rows, columns}, {1, rows}, {columns, 1}});
  return all;
}

TEST(Copy, EveryLayoutEveryThreadCount) {
  const int threads_before = num_threads();
  for (const Layout& layout : layouts()) {
    std::vector<float> src(100000);
    for (size_t i = 0; i < src.size(); ++i) src[i] = static_cast<float>(i);
    const int64_t count = [&] {
      int64_t product = 1;
      for (int64_t size : layout.shape) product *= size;
      return product;
    }();
    for (int threads : {1, 3}) {
      set_num_threads(threads);
      std::vector<float> same(200000, -1.f);
      std::vector<int64_t> other(200000, -1);
      const int ndim = static_cast<int>(layout.shape.size());
      copy(ndim, layout.shape.data(), DType::Float32, src.data() + layout.src_base, layout.src.data(),
           DType::Float32, same.data() + layout.dst_base, layout.dst.data());
      copy(ndim, layout.shape.data(), DType::Float32, src.data() + layout.src_base, layout.src.data(),
           DType::Int64, other.data() + layout.dst_base, layout.dst.data());
      std::vector<float> expected(200000, -1.f);
      for (int64_t i = 0; i < count; ++i)
        expected[static_cast<size_t>(layout.dst_base + offset_of(i, layout.shape, layout.dst))] =
            src[static_cast<size_t>(layout.src_base + offset_of(i, layout.shape, layout.src))];
      EXPECT_EQ(same, expected);
      for (size_t i = 0; i < other.size(); ++i) ASSERT_EQ(other[i], static_cast<int64_t>(expected[i]));
    }
  }
  set_num_threads(threads_before);
}

TEST(Copy, LargeTransposesAreCutIntoPieces) {
  const std::vector<int64_t> shape = {3, 513, 700};
  std::vector<uint8_t> src(3 * 513 * 700);
  std::mt19937 random(1);
  for (auto& value : src) value = static_cast<uint8_t>(random());
  const std::vector<int64_t> from = {513 * 700, 1, 513};
  const std::vector<int64_t> to = row_major(shape);
  std::vector<uint8_t> dst(src.size());
  std::vector<float> wide(src.size());
  copy(3, shape.data(), DType::UInt8, src.data(), from.data(), DType::UInt8, dst.data(), to.data());
  copy(3, shape.data(), DType::UInt8, src.data(), from.data(), DType::Float32, wide.data(), to.data());
  for (int64_t i = 0; i < static_cast<int64_t>(src.size()); ++i) {
    const uint8_t expected = src[static_cast<size_t>(offset_of(i, shape, from))];
    ASSERT_EQ(dst[static_cast<size_t>(i)], expected);
    ASSERT_EQ(wide[static_cast<size_t>(i)], static_cast<float>(expected));
  }
}

TEST(Copy, EveryPairOfTypesKeepsSmallIntegers) {
  for (int from = 0; from < kNumDTypes; ++from)
    for (int to = 0; to < kNumDTypes; ++to) {
      const int64_t values[5] = {0, 1, 2, 100, 127};
      alignas(8) char src[5 * 8];
      alignas(8) char dst[5 * 8];
      int64_t back[5];
      convert(5, DType::Int64, values, static_cast<DType>(from), src);
      convert(5, static_cast<DType>(from), src, static_cast<DType>(to), dst);
      convert(5, static_cast<DType>(to), dst, DType::Int64, back);
      const bool as_bool = from == 0 || to == 0;
      for (int i = 0; i < 5; ++i)
        EXPECT_EQ(back[i], as_bool ? values[i] != 0 : values[i]) << from << " " << to;
    }
}

bool is_nan_of(DType dtype, const char* element) {
  return dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T value;
    std::memcpy(&value, element, sizeof(T));
    return is_floating(dtype) && std::isnan(convert_element<double>(value));
  });
}

// Dense runs are converted by the loops of a level, strided ones element by element: any bits, any length.
TEST(Copy, DenseRunsConvertLikeSingleElementsAtEveryLevel) {
  constexpr int64_t kCount = 611;
  std::mt19937_64 random(3);
  std::vector<uint64_t> dense(kCount), spread(2 * kCount);
  const Isa before = active_isa();
  for (int level = 0; level <= static_cast<int>(best_isa()); ++level) {
    set_active_isa(static_cast<Isa>(level));
    for (int from = 0; from < kNumDTypes; ++from)
      for (int to = 0; to < kNumDTypes; ++to) {
        const auto source = static_cast<DType>(from);
        const auto target = static_cast<DType>(to);
        const auto size = static_cast<int64_t>(dtype_size(source));
        const auto out_size = static_cast<int64_t>(dtype_size(target));
        char* packed = reinterpret_cast<char*>(dense.data());
        char* loose = reinterpret_cast<char*>(spread.data());
        for (uint64_t& word : dense) word = from == 0 ? random() & 0x0101010101010101u : random();
        for (int64_t i = 0; i < kCount; ++i)
          std::memcpy(loose + 2 * i * size, packed + i * size, dtype_size(source));
        std::vector<char> fast(kCount * 8), slow(kCount * 8);
        const ConvertRun run = find_convert(source, target);
        for (const int64_t n : {int64_t{1}, int64_t{7}, int64_t{33}, kCount}) {
          run(n, packed, size, fast.data(), out_size);
          run(n, loose, 2 * size, slow.data(), out_size);
          for (int64_t i = 0; i < n; ++i) {
            const char* a = fast.data() + i * out_size;
            const char* b = slow.data() + i * out_size;
            const bool same = std::memcmp(a, b, dtype_size(target)) == 0;
            ASSERT_TRUE(same || (is_nan_of(target, a) && is_nan_of(target, b)))
                << isa_name(static_cast<Isa>(level)) << " " << dtype_name(source) << " to "
                << dtype_name(target);
          }
        }
      }
  }
  set_active_isa(before);
}

TEST(Copy, FloatsOutsideTheIntegerType) {
  const double nan = std::nan("");
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(convert_element<int64_t>(nan), INT64_MIN);
  EXPECT_EQ(convert_element<int64_t>(inf), INT64_MIN);
  EXPECT_EQ(convert_element<int64_t>(9223372036854775808.0), INT64_MIN);
  EXPECT_EQ(convert_element<int64_t>(-9223372036854775808.0), INT64_MIN);
  EXPECT_EQ(convert_element<int64_t>(9223371487098961920.f), 9223371487098961920);
  EXPECT_EQ(convert_element<int32_t>(-2147483648.5), INT32_MIN);
  EXPECT_EQ(convert_element<int32_t>(2147483647.5), INT32_MAX);
  EXPECT_EQ(convert_element<int32_t>(2147483648.0f), INT32_MIN);
  EXPECT_EQ(convert_element<int32_t>(nan), INT32_MIN);
  EXPECT_EQ(convert_element<int16_t>(70000.5f), 4464);
  EXPECT_EQ(convert_element<int8_t>(300.f), 44);
  EXPECT_EQ(convert_element<int8_t>(nan), 0);
  EXPECT_EQ(convert_element<uint8_t>(-1.7f), 255);
  EXPECT_EQ(convert_element<uint8_t>(inf), 0);
  EXPECT_TRUE(convert_element<bool>(nan));
  EXPECT_TRUE(convert_element<bool>(0.25f));
  EXPECT_TRUE(convert_element<bool>(BFloat16(-1e-3f)));
  EXPECT_FALSE(convert_element<bool>(-0.0f));
}

TEST(Fill, StridedDenseAndEmpty) {
  std::vector<int16_t> buffer(100, 1);
  const int16_t value = -7;
  const int64_t shape[] = {3, 4};
  const int64_t strides[] = {20, -2};
  fill(2, shape, DType::Int16, buffer.data() + 10, strides, &value);
  for (int64_t i = 0; i < 100; ++i) {
    const bool inside = i < 60 && i % 20 >= 4 && i % 20 <= 10 && i % 2 == 0;
    EXPECT_EQ(buffer[static_cast<size_t>(i)], inside ? -7 : 1) << i;
  }
  std::vector<double> big(100001, 0.0);
  const double half = 0.5;
  const int64_t count = 100000;
  const int64_t one = 1;
  fill(1, &count, DType::Float64, big.data(), &one, &half);
  EXPECT_EQ(big[99999], 0.5);
  EXPECT_EQ(big[100000], 0.0);
  const int64_t none = 0;
  fill(1, &none, DType::Float64, big.data(), &one, &half);
  EXPECT_EQ(big[0], 0.5);
}

}  // namespace
}  // namespace rushlight::kernels

// Shapes, storage, type promotion and the allocator, without Python.
#include "rushlight/tensor/tensor.h"

#include <gtest/gtest.h>

#include <thread>

#include "rushlight/tensor/allocator.h"
#include "rushlight/tensor/promotion.h"

namespace rushlight {
namespace {

TEST(Shape, PrintsAsPythonTuples) {
  EXPECT_EQ(to_string({}), "()");
  EXPECT_EQ(to_string({3}), "(3,)");
  EXPECT_EQ(to_string({2, 3}), "(2, 3)");
}

TEST(Shape, RefusesNegativeAndHugeSizes) {
  EXPECT_THROW(numel_of({2, -1}), Error);
  EXPECT_THROW(numel_of({int64_t{1} << 40, int64_t{1} << 40}), Error);
  EXPECT_EQ(numel_of({int64_t{1} << 40, 0, 3}), 0);
  EXPECT_EQ(numel_of({}), 1);
}

TEST(Shape, BroadcastsLikeNumPy) {
  EXPECT_EQ(broadcast_sizes({3, 1}, {4}, "add"), (Dims{3, 4}));
  EXPECT_EQ(broadcast_sizes({0, 1}, {1, 5}, "add"), (Dims{0, 5}));
  EXPECT_EQ(broadcast_strides({3, 1}, {7, 1}, {2, 3, 4}), (Dims{0, 7, 0}));
  EXPECT_THROW(broadcast_sizes({3}, {4}, "add"), Error);
}

TEST(Shape, InfersOneSize) {
  EXPECT_EQ(infer_size({2, -1}, 6), (Dims{2, 3}));
  EXPECT_THROW(infer_size({-1, -1}, 6), Error);
  EXPECT_THROW(infer_size({4, -1}, 6), Error);
  EXPECT_THROW(infer_size({0, -1}, 0), Error);
  EXPECT_THROW(infer_size({7}, 6), Error);
}

TEST(Shape, ViewsWithoutCopyOnlyWhereStridesAllow) {
  Dims strides;
  EXPECT_TRUE(view_strides({4, 6}, {6, 1}, {2, 2, 3, 2}, &strides));
  EXPECT_EQ(strides, (Dims{12, 6, 2, 1}));
  EXPECT_FALSE(view_strides({4, 6}, {1, 4}, {24}, &strides));
  EXPECT_TRUE(view_strides({4, 6}, {1, 4}, {2, 2, 6}, &strides));
  EXPECT_EQ(strides, (Dims{2, 1, 4}));
  EXPECT_TRUE(view_strides({3, 1}, {0, 0}, {3, 1, 1}, &strides));
  EXPECT_TRUE(view_strides({0, 4}, {4, 1}, {2, 0}, &strides));
  EXPECT_TRUE(view_strides({}, {}, {1, 1}, &strides));
}

TEST(Shape, WrapsDimensions) {
  EXPECT_EQ(wrap_dim(-1, 3), 2);
  EXPECT_EQ(wrap_dim(-1, 0), 0);
  EXPECT_THROW(wrap_dim(3, 3), IndexError);
  EXPECT_THROW(wrap_dim(1, 0), IndexError);
}

// Element (n, c, h, w) of a channels-last storage, written through its physical strides.
Tensor channels_last_counter(const Dims& sizes) {
  Tensor tensor = Tensor::empty_channels_last(sizes, DType::Float32);
  const Access access = tensor.access();
  float value = 0;
  for (int64_t n = 0; n < sizes[0]; ++n)
    for (int64_t c = 0; c < sizes[1]; ++c)
      for (int64_t h = 0; h < sizes[2]; ++h)
        for (int64_t w = 0; w < sizes[3]; ++w)
          reinterpret_cast<float*>(access.data)[n * access.strides[0] + c * access.strides[1] +
                                                h * access.strides[2] + w * access.strides[3]] = value++;
  return tensor;
}

TEST(Layout, ChannelsLastStorageIsInvisible) {
  const Tensor tensor = channels_last_counter({2, 3, 4, 5});
  EXPECT_TRUE(tensor.is_channels_last());
  EXPECT_TRUE(tensor.is_contiguous());
  EXPECT_EQ(tensor.strides(), (Dims{60, 20, 5, 1}));
  const Access held = tensor.access();  // a kernel that is still reading
  const Tensor part = tensor.alias({4}, {5}, 20);
  EXPECT_EQ(part.data<float>()[5], 25.0f);  // reading a part makes the storage plain
  EXPECT_FALSE(tensor.is_channels_last());
  for (int64_t i = 0; i < tensor.numel(); ++i) ASSERT_EQ(tensor.data<float>()[i], static_cast<float>(i));
  EXPECT_EQ(reinterpret_cast<float*>(held.data)[1], 20.0f);  // the old block outlives the change
}

TEST(Layout, ManyThreadsMayAskForPlainMemoryAtOnce) {
  const Tensor tensor = channels_last_counter({4, 16, 16, 16});
  std::vector<std::thread> threads;
  std::vector<float> seen(8);
  for (size_t i = 0; i < seen.size(); ++i)
    threads.emplace_back([&, i] {
      const Access access = tensor.access();
      const bool plain = i % 2 == 0;
      seen[i] = plain ? tensor.data<float>()[1234] : reinterpret_cast<float*>(access.data)[0];
    });
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i % 2 == 0 ? 1234.0f : 0.0f);
}

TEST(Promotion, FollowsPyTorch) {
  EXPECT_EQ(promote(DType::UInt8, DType::Int8), DType::Int16);
  EXPECT_EQ(promote(DType::Float16, DType::BFloat16), DType::Float32);
  EXPECT_EQ(promote(DType::Int64, DType::Float16), DType::Float16);
  EXPECT_EQ(promote(DType::Bool, DType::UInt8), DType::UInt8);
  Tensor number = Tensor::scalar(2.5, DType::Float64);
  number.impl()->wrapped_number = true;
  const Tensor ints = Tensor::empty({2}, DType::Int32);
  const Tensor halves = Tensor::empty({2}, DType::Float16);
  const Tensor zero_dim = Tensor::scalar(1.0, DType::Float64);
  EXPECT_EQ(result_type(ints, number), DType::Float32);
  EXPECT_EQ(result_type(halves, number), DType::Float16);
  EXPECT_EQ(result_type(halves, zero_dim), DType::Float16);
  EXPECT_EQ(result_type(ints, zero_dim), DType::Float64);
}

TEST(Allocator, ReusesBlocksAndCounts) {
  const MemoryStats before = memory_stats();
  for (const size_t bytes :
       {size_t{0}, size_t{1}, size_t{64}, size_t{4096}, size_t{4097}, size_t{1} << 20, size_t{9} << 20}) {
    void* first = allocate(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
    EXPECT_GE(memory_stats().allocated_bytes, before.allocated_bytes + static_cast<int64_t>(bytes));
    deallocate(first, bytes);
    void* second = allocate(bytes);
    EXPECT_EQ(first, second) << bytes;
    deallocate(second, bytes);
  }
  EXPECT_EQ(memory_stats().allocated_bytes, before.allocated_bytes);
  empty_cache();
  EXPECT_LE(memory_stats().cached_bytes, before.cached_bytes);
}

// A cache full of sizes no longer asked for must not keep new ones out.
TEST(Allocator, GivesWayToWhatIsUsedNow) {
  empty_cache();
  constexpr size_t kOld = size_t{48} << 20;
  constexpr size_t kNew = size_t{40} << 20;
  void* old[8];
  for (void*& block : old) block = allocate(kOld);
  for (void* block : old) deallocate(block, kOld);
  void* first = allocate(kNew);
  deallocate(first, kNew);
  const int64_t cached = memory_stats().cached_bytes;
  void* second = allocate(kNew);
  EXPECT_LT(memory_stats().cached_bytes, cached);  // it came from the cache
  deallocate(second, kNew);
  empty_cache();
}

TEST(Allocator, SaysHowMuchWasAskedFor) {
  try {
    allocate(size_t{1} << 61);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(std::to_string(size_t{1} << 61)), std::string::npos);
  }
}

TEST(SmallVector, GrowsMovesAndCompares) {
  Dims dims;
  for (int64_t i = 0; i < 12; ++i) dims.push_back(i);
  Dims moved = std::move(dims);
  EXPECT_EQ(moved.size(), 12u);
  moved.erase(0);
  moved.insert(3, 100);
  EXPECT_EQ(moved[3], 100);
  const Dims copy = moved;
  EXPECT_EQ(copy, moved);
  moved = Dims{1, 2};
  EXPECT_NE(copy, moved);
  moved = copy;
  EXPECT_EQ(moved.back(), 11);
}

}  // namespace
}  // namespace rushlight

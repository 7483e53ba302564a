// The graph and the engine, without Python.
#include "rushlight/autograd/engine.h"

#include <gtest/gtest.h>

#include <thread>

#include "rushlight/autograd/record.h"
#include "rushlight/ops/arithmetic.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/reduce.h"
#include "rushlight/ops/view.h"

namespace rushlight {
namespace {

Tensor leaf(const Dims& sizes, double value) {
  Tensor tensor = ops::full(sizes, value, DType::Float64);
  autograd::set_requires_grad(tensor, true);
  return tensor;
}

void backward(const Tensor& root, autograd::BackwardOptions options = {}) {
  autograd::run_backward({root}, {Tensor()}, options);
}

double value(const Tensor& tensor) { return tensor.data<double>()[0]; }

std::string message(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Engine, AccumulatesInLeaves) {
  const Tensor a = leaf({}, 3);
  const Tensor b = leaf({}, 4);
  backward(ops::add(ops::mul(ops::mul(a, a), b), a));
  EXPECT_EQ(value(autograd::grad_of(a)), 25);
  EXPECT_EQ(value(autograd::grad_of(b)), 9);
  backward(ops::mul(a, b));
  EXPECT_EQ(value(autograd::grad_of(a)), 29);
}

TEST(Engine, ChainOfAMillionNodesNeitherOverflowsNorLeaks) {
  const Tensor x = leaf({}, 1);
  {
    Tensor y = x;
    for (int i = 0; i < 1000000; ++i) y = ops::add(y, x);
    backward(y);
  }
  EXPECT_EQ(value(autograd::grad_of(x)), 1000001);
}

TEST(Engine, SecondBackwardNeedsRetainGraph) {
  const Tensor x = leaf({}, 2);
  const Tensor y = ops::mul(x, x);
  backward(y, {true, false, true});
  backward(y);
  EXPECT_EQ(value(autograd::grad_of(x)), 8);
  EXPECT_NE(message([&] { backward(y); }).find("a second time: the saved tensors of MulBackward0"),
            std::string::npos);
}

TEST(Engine, HigherDerivatives) {
  const Tensor x = leaf({}, 2);
  const Tensor y = ops::mul(ops::mul(x, x), x);
  const std::vector<Tensor> inputs{x};
  const Tensor first = autograd::run_backward({y}, {Tensor()}, {true, true, false}, &inputs)[0];
  const Tensor second = autograd::run_backward({first}, {Tensor()}, {true, true, false}, &inputs)[0];
  const Tensor third = autograd::run_backward({second}, {Tensor()}, {false, false, false}, &inputs)[0];
  EXPECT_EQ(value(first), 12);
  EXPECT_EQ(value(second), 12);
  EXPECT_EQ(value(third), 6);
  EXPECT_FALSE(autograd::grad_of(x).defined());
}

TEST(Engine, InPlaceChangeOfASavedTensorIsNoticed) {
  const Tensor x = leaf({2}, 2);
  const Tensor y = ops::add(x, x);
  const Tensor z = ops::sum(ops::mul(y, y), {}, false);
  ops::copy_(y, ops::full({2}, 1, DType::Float64));
  EXPECT_NE(message([&] { backward(z); }).find("is at version 1; expected version 0"), std::string::npos);
}

TEST(Engine, InPlaceChangeOfAViewReachesTheBase) {
  const Tensor w = leaf({3}, 5);
  const Tensor base = ops::full({2, 3}, 1, DType::Float64);
  const Tensor row = ops::select(base, 0, 1);
  ops::copy_(row, ops::mul(w, w));
  EXPECT_EQ(autograd::grad_fn(base)->name(), "CopySlices");
  EXPECT_EQ(autograd::grad_fn(row)->name(), "AsStridedBackward0");
  backward(ops::add(ops::sum(base, {}, false), ops::sum(row, {}, false)));
  EXPECT_EQ(value(autograd::grad_of(w)), 20);
}

TEST(Engine, LeavesAndExpandedTensorsCannotBeChangedInPlace) {
  const Tensor x = leaf({2}, 1);
  EXPECT_NE(message([&] { ops::copy_(x, x.alias()); }).find("a leaf Variable that requires grad"),
            std::string::npos);
  const Tensor expanded = ops::expand(ops::full({1}, 1, DType::Float64), {3});
  EXPECT_NE(message([&] { ops::copy_(expanded, ops::full({3}, 2, DType::Float64)); }).find("clone()"),
            std::string::npos);
}

TEST(Engine, FrozenPartsSaveNothing) {
  const Tensor frozen = ops::full({}, 2, DType::Float64);
  const Tensor x = leaf({}, 3);
  EXPECT_EQ(autograd::grad_fn(ops::mul(frozen, frozen)), nullptr);
  const auto node = autograd::grad_fn(ops::mul(x, frozen));
  EXPECT_FALSE(node->has_saved(0));  // x is read only for the gradient of `frozen`
  EXPECT_TRUE(node->has_saved(1));
}

TEST(Engine, ThreadsMayRunBackwardOverSharedLeaves) {
  const Tensor x = leaf({1000}, 1);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) backward(ops::sum(ops::mul(x, x), {}, false));
    });
  for (std::thread& thread : threads) thread.join();
  for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(autograd::grad_of(x).data<double>()[i], 800);
}

TEST(Engine, HooksReplaceGradientsInOrder) {
  const Tensor x = leaf({}, 1);
  const Tensor y = ops::mul(x, x);
  autograd::register_hook(y, [](const Tensor& grad) { return ops::add(grad, grad); });
  autograd::register_hook(
      y, [](const Tensor& grad) { return ops::add(grad, ops::full({}, 1, DType::Float64)); });
  autograd::retain_grad(y);
  backward(y);
  EXPECT_EQ(value(autograd::grad_of(y)), 3);
  EXPECT_EQ(value(autograd::grad_of(x)), 6);
}

TEST(Engine, RootsOutsideTheGraphAreRefused) {
  EXPECT_NE(message([] { backward(ops::full({}, 1, DType::Float64)); }).find("does not require grad"),
            std::string::npos);
  const Tensor x = leaf({2}, 1);
  EXPECT_NE(message([&] { backward(ops::add(x, x)); }).find("only for scalar outputs"), std::string::npos);
}

}  // namespace
}  // namespace rushlight

// The op of docs/adding-an-op.md, compiled and checked; tests/test_readme.py compares the two texts.
#include <gtest/gtest.h>

#include "rushlight/autograd/engine.h"
#include "rushlight/autograd/record.h"
#include "rushlight/ops/arithmetic.h"

namespace rushlight::ops {
namespace {

// guide: begin
Tensor cube(const Tensor& input) {
  RUSHLIGHT_CHECK_TYPE(is_floating(input.dtype()), "cube: input must be floating point, got ",
                       dtype_name(input.dtype()), " of shape ", to_string(input.sizes()));
  Tensor out;
  {
    const autograd::GradModeGuard no_grad(false);  // the steps inside are not part of the graph
    out = mul(mul(input, input), input);
  }
  if (autograd::recording(input))
    autograd::record(out, "CubeBackward0", {input}, {input},
                     [](autograd::Node& node, const Tensor& grad) -> autograd::Grads {
                       const Tensor x = node.saved(0);
                       return {mul(grad, mul(mul(x, x), Tensor::scalar(3.0, x.dtype())))};
                     });
  return out;
}
// guide: end

double value(const Tensor& tensor) { return tensor.data<double>()[0]; }

TEST(AddingAnOp, GivesValueFirstAndSecondDerivative) {
  const Tensor x = Tensor::scalar(2.0, DType::Float64);
  autograd::set_requires_grad(x, true);
  const Tensor y = cube(x);
  EXPECT_EQ(value(y), 8.0);
  const std::vector<Tensor> inputs = {x};
  const Tensor first = autograd::run_backward({y}, {Tensor()}, {true, true, false}, &inputs)[0];
  EXPECT_EQ(value(first), 12.0);
  const Tensor second = autograd::run_backward({first}, {Tensor()}, {false, false, false}, &inputs)[0];
  EXPECT_EQ(value(second), 12.0);
}

TEST(AddingAnOp, RefusesIntegersWithTheValuesInTheMessage) {
  try {
    cube(Tensor::scalar(int64_t{2}, DType::Int64));
    FAIL() << "no exception";
  } catch (const TypeError& error) {
    EXPECT_STREQ(error.what(), "cube: input must be floating point, got int64 of shape ()");
  }
}

}  // namespace
}  // namespace rushlight::ops

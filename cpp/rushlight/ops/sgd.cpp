#include "rushlight/ops/sgd.h"

#include <unordered_set>

#include "rushlight/autograd/record.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/outer_gradient.h"

namespace rushlight::ops {
namespace {

// One run of memory in the same order: the update may then ignore the shape.
bool same_order(const Tensor& a, const Tensor& b) {
  return a.is_contiguous() && b.is_contiguous() && a.is_channels_last() == b.is_channels_last();
}

// float16 has no kernel.
DType computed_as(DType dtype) { return dtype == DType::Float16 ? DType::Float32 : dtype; }

// A tensor as the kernel sees it: itself, or a copy in the parameter's memory order and the kernel's type; or
// the factors of a gradient that nobody has looked at.
struct Operand {
  Operand(const Tensor& given_, const Tensor& param) : given(given_), tensor(given_) {
    const DType dtype = computed_as(param.dtype());
    if (param.is_contiguous() && !param.is_channels_last()) {
      factors = OuterGradient::of(given);
      if (factors != nullptr) return;
    }
    if (dtype == param.dtype() && same_order(given, param)) {
      access = tensor.access();
      return;
    }
    tensor = param.is_channels_last() ? Tensor::empty_channels_last(param.sizes(), dtype)
                                      : Tensor::empty(param.sizes(), dtype);
    copy_into(tensor, given);
    access = tensor.access();
  }
  void written() const {
    if (tensor.impl() != given.impl()) copy_into(given, tensor);
    given.storage().bump_version();
  }

  Tensor given;
  Tensor tensor;
  Access access{};
  std::shared_ptr<const OuterGradient> factors;
};

void check(const Tensor& param, const Tensor& grad, const Tensor& buffer) {
  const DType dtype = param.dtype();
  RUSHLIGHT_CHECK(is_floating(dtype), "sgd_step_: expected a floating parameter, got ", dtype_name(dtype));
  RUSHLIGHT_CHECK(grad.sizes() == param.sizes() && grad.dtype() == dtype,
                  "sgd_step_: grad must look like param (", to_string(param.sizes()), ", ", dtype_name(dtype),
                  "), got ", to_string(grad.sizes()), ", ", dtype_name(grad.dtype()));
  RUSHLIGHT_CHECK(!buffer.defined() || (buffer.sizes() == param.sizes() && buffer.dtype() == dtype),
                  "sgd_step_: momentum_buffer must look like param (", to_string(param.sizes()), "), got ",
                  buffer.defined() ? to_string(buffer.sizes()) : "");
}

// The parameters of one type, none of which shares memory with another.
void step(DType dtype, const std::vector<Operand>& params, const std::vector<Operand>& grads,
          const std::vector<Operand>& buffers, const kernels::SgdParams& setting) {
  std::vector<kernels::SgdItem> items;
  for (size_t i = 0; i < params.size(); ++i)
    if (params[i].tensor.dtype() == dtype)
      items.push_back({params[i].access.data, grads[i].access.data,
                       buffers.empty() ? nullptr : buffers[i].access.data, params[i].given.numel(),
                       grads[i].factors != nullptr ? grads[i].factors->factors() : kernels::OuterSum()});
  if (!items.empty()) kernels::sgd_step(dtype, setting, items.data(), static_cast<int64_t>(items.size()));
}

}  // namespace

void sgd_step_(const std::vector<Tensor>& params, const std::vector<Tensor>& grads,
               const std::vector<Tensor>& momentum_buffers, const kernels::SgdParams& setting) {
  RUSHLIGHT_CHECK(grads.size() == params.size(), "sgd_step_: expected one gradient a parameter, got ",
                  params.size(), " parameters and ", grads.size(), " gradients");
  RUSHLIGHT_CHECK(momentum_buffers.size() == (setting.momentum != 0.0 ? params.size() : 0),
                  "sgd_step_: momentum buffers go with momentum != 0, got momentum ", setting.momentum, ", ",
                  params.size(), " parameters and ", momentum_buffers.size(), " buffers");
  const autograd::GradModeGuard no_grad(false);
  std::unordered_set<const Storage*> seen;
  bool shared = false;
  for (size_t i = 0; i < params.size(); ++i) {
    check(params[i], grads[i], momentum_buffers.empty() ? Tensor() : momentum_buffers[i]);
    shared = shared || !seen.insert(&params[i].storage()).second;
  }
  if (shared && params.size() > 1) {  // one after the other
    for (size_t i = 0; i < params.size(); ++i)
      sgd_step_({params[i]}, {grads[i]},
                momentum_buffers.empty() ? momentum_buffers : std::vector<Tensor>{momentum_buffers[i]},
                setting);
    return;
  }
  std::vector<Operand> targets, slopes, buffers;
  for (size_t i = 0; i < params.size(); ++i) {
    targets.emplace_back(params[i], params[i]);
    slopes.emplace_back(grads[i], params[i]);
    if (!momentum_buffers.empty()) buffers.emplace_back(momentum_buffers[i], params[i]);
  }
  for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16})
    step(dtype, targets, slopes, buffers, setting);
  for (const Operand& target : targets) target.written();
  for (const Operand& buffer : buffers) buffer.written();
}

}  // namespace rushlight::ops

#include "rushlight/ops/indexing.h"

#include <algorithm>

#include "rushlight/autograd/record.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/indexing/indexing.h"
#include "rushlight/ops/copy.h"
#include "rushlight/ops/join.h"
#include "rushlight/ops/view.h"

namespace rushlight::ops {
namespace {

using autograd::Grads;
using autograd::Node;

// What indexing does to a shape: which dimensions are addressed, and where their shape goes.
struct Plan {
  Dims dims;         // addressed dimensions of the input, ascending
  Dims index_sizes;  // broadcast shape of the index tensors
  Dims result;       // shape of x[indices]
  size_t position;   // where index_sizes stand in it
  Tensor stacked;    // (number of dims, index_sizes...), int64: our own copy
};

// Masks become one integer tensor a dimension.
std::vector<Tensor> without_masks(const Tensor& input, const std::vector<Tensor>& indices) {
  std::vector<Tensor> plain;
  for (const Tensor& entry : indices) {
    if (!entry.defined() || (entry.dtype() != DType::Bool && entry.dtype() != DType::UInt8)) {
      plain.push_back(entry);
      continue;
    }
    for (int64_t d = 0; d < entry.dim(); ++d) {
      const auto at = static_cast<int64_t>(plain.size()) + d;
      RUSHLIGHT_CHECK_INDEX(at < input.dim() && entry.sizes()[d] == input.sizes()[at],
                            "The shape of the mask ", to_string(entry.sizes()), " at index ", d,
                            " does not match the shape of the indexed tensor ", to_string(input.sizes()),
                            " at index ", at);
    }
    const Tensor places = nonzero(entry);
    for (int64_t d = 0; d < entry.dim(); ++d) plain.push_back(select(places, 1, d));
  }
  RUSHLIGHT_CHECK_INDEX(static_cast<int64_t>(plain.size()) <= input.dim(),
                        "too many indices for tensor of dimension ", input.dim(), " (got ", plain.size(),
                        ")");
  return plain;
}

Plan make_plan(const Tensor& input, const std::vector<Tensor>& indices) {
  const autograd::GradModeGuard no_grad(false);
  const std::vector<Tensor> plain = without_masks(input, indices);
  Plan plan;
  std::vector<Tensor> given;
  for (size_t d = 0; d < plain.size(); ++d) {
    if (!plain[d].defined()) continue;
    RUSHLIGHT_CHECK_INDEX(is_integral(plain[d].dtype()),
                          "tensors used as indices must be long, int, byte or bool tensors, got ",
                          dtype_name(plain[d].dtype()));
    plan.dims.push_back(static_cast<int64_t>(d));
    given.push_back(plain[d]);
  }
  for (const Tensor& entry : given) {
    try {
      plan.index_sizes = broadcast_sizes(plan.index_sizes, entry.sizes(), "index");
    } catch (const Error&) {
      std::string shapes;
      for (const Tensor& other : given) shapes += (shapes.empty() ? "" : ", ") + to_string(other.sizes());
      throw IndexError("shape mismatch: indexing tensors could not be broadcast together with shapes " +
                       shapes);
    }
  }
  for (Tensor& entry : given) entry = expand(to(entry, DType::Int64), plan.index_sizes);
  plan.stacked = given.empty() ? Tensor::empty({0}, DType::Int64) : stack(given, 0);
  bool neighbours = true;
  for (size_t i = 1; i < plan.dims.size(); ++i)
    neighbours = neighbours && plan.dims[i] == plan.dims[i - 1] + 1;
  plan.position = neighbours && !plan.dims.empty() ? static_cast<size_t>(plan.dims[0]) : 0;
  for (int64_t d = 0; d < input.dim(); ++d)
    if (std::find(plan.dims.begin(), plan.dims.end(), d) == plan.dims.end())
      plan.result.push_back(input.sizes()[d]);
  for (size_t i = 0; i < plan.index_sizes.size(); ++i)
    plan.result.insert(plan.position + i, plan.index_sizes[i]);
  return plan;
}

// The kernel's view of `base` (plain memory) and contiguous `values` of shape plan.result.
kernels::IndexParams kernel_params(const Plan& plan, const Tensor& base) {
  kernels::IndexParams params{base.dtype(), numel_of(plan.index_sizes), {}, 1, {}};
  const Dims strides = contiguous_strides(plan.result);
  const int64_t* index = plan.stacked.data<int64_t>();
  size_t at = 0;
  for (int64_t d = 0; d < base.dim(); ++d) {
    if (std::find(plan.dims.begin(), plan.dims.end(), d) != plan.dims.end()) {
      params.dims.push_back({d, base.sizes()[d], base.strides()[d], index});
      index += params.count;
      continue;
    }
    if (at == plan.position) at += plan.index_sizes.size();
    params.block.push_back({base.sizes()[d], {base.strides()[d], strides[at]}});
    ++at;
  }
  for (size_t i = plan.position + plan.index_sizes.size(); i < plan.result.size(); ++i)
    params.values_step *= std::max<int64_t>(plan.result[i], 1);
  return params;
}

Tensor index_planned(const Tensor& input, const Plan& plan);

// Writes into `target` (no graph).
void write_planned(const Tensor& target, const Plan& plan, const Tensor& values, bool accumulate) {
  const autograd::GradModeGuard no_grad(false);
  const Tensor expanded = contiguous(expand(values, plan.result));
  if (expanded.numel() == 0) return;
  const HeavyWork heavy(expanded.numel());
  const kernels::IndexParams params = kernel_params(plan, target);
  (accumulate ? kernels::index_accumulate : kernels::index_write)(params, target.raw_data(),
                                                                  expanded.raw_data());
}

Plan restored(Plan plan, const Tensor& stacked) {
  plan.stacked = stacked;
  return plan;
}

Tensor index_put_planned(const Tensor& input, const Plan& plan, const Tensor& values, bool accumulate);

// Records `out` as index_put(before, values).
void record_index_put(const Tensor& out, const Tensor& before, const Plan& plan, const Tensor& values,
                      bool accumulate) {
  if (!autograd::recording(before, values)) return;
  Plan shape = plan;
  shape.stacked = Tensor();
  autograd::record(
      out, "IndexPutBackward0", {before, values}, {plan.stacked},
      [shape, accumulate, sizes = values.sizes()](Node& node, const Tensor& grad) -> Grads {
        const Plan full_plan = restored(shape, node.saved(0));
        Tensor before_grad;
        if (node.needs(0))
          before_grad =
              accumulate ? grad : index_put_planned(grad, full_plan, zeros({}, grad.dtype()), false);
        return {before_grad, node.needs(1) ? sum_to_size(index_planned(grad, full_plan), sizes) : Tensor()};
      });
}

Tensor index_put_planned(const Tensor& input, const Plan& plan, const Tensor& values, bool accumulate) {
  Tensor out;
  {
    const autograd::GradModeGuard no_grad(false);
    out = Tensor::empty(input.sizes(), input.dtype());
    copy_into(out, input);
  }
  write_planned(out, plan, values, accumulate);
  record_index_put(out, input, plan, values, accumulate);
  return out;
}

Tensor index_planned(const Tensor& input, const Plan& plan) {
  Tensor out = Tensor::empty(plan.result, input.dtype());
  if (out.numel() > 0) {
    const HeavyWork heavy(out.numel());
    kernels::index_read(kernel_params(plan, input), input.raw_data(), out.raw_data());
  }
  if (autograd::recording(input)) {
    Plan shape = plan;
    shape.stacked = Tensor();
    autograd::record(
        out, "IndexBackward0", {input}, {plan.stacked},
        [shape, sizes = input.sizes(), dtype = input.dtype()](Node& node, const Tensor& grad) -> Grads {
          return {index_put_planned(zeros(sizes, dtype), restored(shape, node.saved(0)), grad, true)};
        });
  }
  return out;
}

Plan checked_plan(const Tensor& self, const std::vector<Tensor>& indices, const Tensor& values) {
  RUSHLIGHT_CHECK(
      self.dtype() == values.dtype(), "Index put requires the source and destination dtypes match, got ",
      dtype_name(self.dtype()), " for the destination and ", dtype_name(values.dtype()), " for the source.");
  Plan plan = make_plan(self, indices);
  RUSHLIGHT_CHECK(values.sizes() == plan.result ||
                      broadcast_sizes(plan.result, values.sizes(), "index_put") == plan.result,
                  "shape mismatch: value tensor of shape ", to_string(values.sizes()),
                  " cannot be broadcast to indexing result of shape ", to_string(plan.result));
  return plan;
}

}  // namespace

Tensor index(const Tensor& input, const std::vector<Tensor>& indices) {
  return index_planned(input, make_plan(input, indices));
}

Tensor index_put(const Tensor& input, const std::vector<Tensor>& indices, const Tensor& values,
                 bool accumulate) {
  return index_put_planned(input, checked_plan(input, indices, values), values, accumulate);
}

Tensor index_put_(const Tensor& self, const std::vector<Tensor>& indices, const Tensor& values,
                  bool accumulate) {
  const Plan plan = checked_plan(self, indices, values);
  const autograd::InPlace change(self, "index_put_");
  write_planned(self, plan, values, accumulate);
  change.written();
  record_index_put(self, change.before, plan, values, accumulate);
  return self;
}

Tensor nonzero(const Tensor& input) {
  const Tensor plain = contiguous(autograd::detach(input));
  const int64_t count = kernels::count_nonzero(plain.dtype(), plain.raw_data(), plain.numel());
  const Tensor flat = Tensor::empty({count}, DType::Int64);
  kernels::nonzero(plain.dtype(), plain.raw_data(), plain.numel(), flat.data<int64_t>());
  Tensor out = Tensor::empty({count, input.dim()}, DType::Int64);
  const Dims strides = contiguous_strides(input.sizes());
  int64_t* row = out.data<int64_t>();
  for (int64_t i = 0; i < count; ++i)
    for (int64_t d = 0; d < input.dim(); ++d)
      *row++ = flat.data<int64_t>()[i] / strides[d] % std::max<int64_t>(input.sizes()[d], 1);
  return out;
}

}  // namespace rushlight::ops

#include "rushlight/autograd/saved_tensor.h"

#include "rushlight/autograd/grad_meta.h"
#include "rushlight/autograd/grad_mode.h"

namespace rushlight::autograd {

SavedTensor::SavedTensor(const Tensor& tensor) : tensor_(tensor) {
  if (!tensor.defined()) return;
  RUSHLIGHT_CHECK(!tensor.impl()->inference,
                  "Inference tensors cannot be saved for backward: this one, of shape ",
                  to_string(tensor.sizes()),
                  ", was made in inference mode. Clone it outside inference mode and use the clone");
  version_ = tensor.storage().version() - (tensor.impl()->before_change ? 1 : 0);
}

SavedTensor SavedTensor::result(const Tensor& tensor, int output) {
  SavedTensor saved;
  saved.tensor_ = tensor.alias();
  saved.version_ = tensor.storage().version();
  saved.output_ = output;
  return saved;
}

Tensor SavedTensor::unpack(Node& node) const {
  if (!tensor_.defined()) return tensor_;
  const uint32_t now = tensor_.storage().version();
  if (now != version_) {
    const std::string saved_at = node.source().describe();
    const std::string changed_at = tensor_.storage().last_change().describe();
    throw Error(
        str("one of the variables needed for gradient computation has been modified by an inplace operation: "
            "the ",
            dtype_name(tensor_.dtype()), " tensor of shape ", to_string(tensor_.sizes()), ", saved by ",
            node.name(), saved_at.empty() ? "" : " at " + saved_at, ", is at version ", now,
            "; expected version ", version_, " instead. It was last changed",
            changed_at.empty() ? " by an in-place op" : " at " + changed_at,
            ". Change a copy (tensor.clone()), or use the out-of-place form of that op"));
  }
  if (output_ < 0 || !grad_enabled()) return tensor_;
  Tensor linked = tensor_.alias();
  GradMeta& meta = grad_meta(linked);
  meta.grad_fn = node.shared_from_this();
  meta.output = output_;
  return linked;
}

}  // namespace rushlight::autograd

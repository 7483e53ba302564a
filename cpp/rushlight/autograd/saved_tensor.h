// A tensor that backward will read.
#pragma once

#include "rushlight/tensor/tensor.h"

namespace rushlight::autograd {

class Node;

// Remembers the version of the storage when saved; unpack() refuses a tensor changed since.
class SavedTensor {
 public:
  SavedTensor() = default;
  // An input of the op (or any other tensor that is not its result). Undefined tensors are allowed.
  SavedTensor(const Tensor& tensor);  // NOLINT(google-explicit-constructor): saved lists read better
  // A result of the op, number `output`. Kept without its graph, which would be a cycle.
  static SavedTensor result(const Tensor& tensor, int output = 0);

  bool defined() const { return tensor_.defined(); }
  // Throws RuntimeError, naming the op and the lines that saved and changed the tensor, if it was
  // modified in place. `node` is the node that saved it.
  Tensor unpack(Node& node) const;

 private:
  Tensor tensor_;
  uint32_t version_ = 0;
  int output_ = -1;
};

}  // namespace rushlight::autograd

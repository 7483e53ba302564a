// What a trace::Scope learns about tensors.
#pragma once

#include "rushlight/base/trace.h"
#include "rushlight/tensor/tensor.h"

namespace rushlight {

// A call of an op or of a graph node, seen by whoever listens (base/trace.h):
//   TracedCall call("conv2d", trace::Kind::Op);
//   if (call) call.input(x);
//   ...
//   if (call) call.output(result);
class TracedCall {
 public:
  TracedCall(const char* name, trace::Kind kind) : scope_(name, kind) {}

  // Somebody listens.
  explicit operator bool() const { return scope_.event() != nullptr; }
  // Undefined tensors are left out.
  void input(const Tensor& tensor);
  void output(const Tensor& tensor);
  // The same for an input that was changed in place; nothing for one that was not.
  void changed(const Tensor& tensor);

 private:
  struct Seen {
    const Storage* storage;
    uint32_t version;
  };

  trace::Scope scope_;
  SmallVector<Seen, 3>
      seen_;  // inputs: a result in unchanged memory of theirs is a view, which moves nothing
};

}  // namespace rushlight

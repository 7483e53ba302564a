#include "rushlight/tensor/traced.h"

#include <algorithm>

namespace rushlight {
namespace {

trace::Operand operand(const Tensor& tensor) {
  return {tensor.dtype(), {tensor.sizes().begin(), tensor.sizes().end()}};
}

// An expanded tensor is not larger than its memory.
int64_t bytes_of(const Tensor& tensor) {
  return static_cast<int64_t>(std::min(tensor.nbytes(), tensor.storage().nbytes()));
}

}  // namespace

void TracedCall::input(const Tensor& tensor) {
  if (!tensor.defined()) return;
  scope_.event()->inputs.push_back(operand(tensor));
  scope_.event()->bytes += bytes_of(tensor);
  seen_.push_back({&tensor.storage(), tensor.storage().version()});
}

void TracedCall::output(const Tensor& tensor) {
  if (!tensor.defined()) return;
  trace::Event& event = *scope_.event();
  event.outputs.push_back(operand(tensor));
  event.bytes += bytes_of(tensor);
  for (const Seen& seen : seen_)
    if (seen.storage == &tensor.storage()) {
      event.in_place = seen.version != tensor.storage().version();
      if (!event.in_place) event.bytes = 0;
    }
}

void TracedCall::changed(const Tensor& tensor) {
  if (!tensor.defined()) return;
  for (const Seen& seen : seen_)
    if (seen.storage == &tensor.storage() && seen.version != tensor.storage().version())
      return output(tensor);
}

}  // namespace rushlight

#include "rushlight/ops/physical.h"

#include "rushlight/autograd/record.h"
#include "rushlight/ops/copy.h"

namespace rushlight::ops {

Tensor in_layout(const Tensor& input, bool channels_last) {
  const Dims& sizes = input.sizes();
  const bool either = sizes.size() != 4 || sizes[1] <= 1 || sizes[2] * sizes[3] <= 1 || input.numel() == 0;
  if (input.is_contiguous() && (input.is_channels_last() == channels_last || either)) return input;
  const Tensor out = empty_physical(sizes, input.dtype(), channels_last && sizes.size() == 4);
  copy_into(out, input);
  return out;
}

}  // namespace rushlight::ops

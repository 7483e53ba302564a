// Walking N-d index spaces: dimension lists with strides, merged where possible, and an odometer over them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace rushlight::kernels {

// One dimension of an index space shared by K operands; strides count elements.
template <int K>
struct StridedDim {
  int64_t size;
  std::array<int64_t, K> strides;
};

template <int K>
int64_t element_count(const std::vector<StridedDim<K>>& dims) {
  int64_t count = 1;
  for (const auto& dim : dims) count *= dim.size;
  return count;
}

// Drops dimensions of size 1 and merges neighbours that are one run in every operand; the row-major
// order of the elements stays. At least one dimension is left.
template <int K>
std::vector<StridedDim<K>> coalesce(const std::vector<StridedDim<K>>& dims) {
  std::vector<StridedDim<K>> merged;
  for (const auto& dim : dims) {
    if (dim.size == 1) continue;
    bool joins = !merged.empty();
    for (int k = 0; joins && k < K; ++k) joins = merged.back().strides[k] == dim.strides[k] * dim.size;
    if (joins) {
      merged.back().size *= dim.size;
      merged.back().strides = dim.strides;
    } else {
      merged.push_back(dim);
    }
  }
  if (merged.empty()) merged.push_back({1, {}});
  return merged;
}

// Visits an index space in row-major order and keeps the element offset of every operand.
template <int K>
class Odometer {
 public:
  // Starts at flat position `start` of the space spanned by the first `ndim` dimensions.
  Odometer(const std::vector<StridedDim<K>>& dims, size_t ndim, int64_t start)
      : dims_(dims.data()), ndim_(ndim), position_(ndim, 0) {
    for (size_t d = ndim; d-- > 0 && start > 0;) {
      position_[d] = start % dims_[d].size;
      start /= dims_[d].size;
      for (int k = 0; k < K; ++k) offset_[k] += position_[d] * dims_[d].strides[k];
    }
  }

  int64_t offset(int operand) const { return offset_[operand]; }

  void next() {
    for (size_t d = ndim_; d-- > 0;) {
      for (int k = 0; k < K; ++k) offset_[k] += dims_[d].strides[k];
      if (++position_[d] < dims_[d].size) return;
      for (int k = 0; k < K; ++k) offset_[k] -= dims_[d].strides[k] * dims_[d].size;
      position_[d] = 0;
    }
  }

 private:
  const StridedDim<K>* dims_;
  size_t ndim_;
  std::vector<int64_t> position_;
  std::array<int64_t, K> offset_{};
};

}  // namespace rushlight::kernels

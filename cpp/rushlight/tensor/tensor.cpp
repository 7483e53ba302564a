#include "rushlight/tensor/tensor.h"

#include <type_traits>

namespace rushlight {

TensorImpl::TensorImpl(std::shared_ptr<Storage> storage_, Dims sizes_, Dims strides_, int64_t offset_,
                       DType dtype_)
    : storage(std::move(storage_)),
      sizes(std::move(sizes_)),
      strides(std::move(strides_)),
      offset(offset_),
      numel(numel_of(sizes)),
      dtype(dtype_),
      contiguous(rushlight::is_contiguous(sizes, strides)) {}

namespace {
Tensor fresh(std::shared_ptr<Storage> storage, const Dims& sizes, const Dims& strides, DType dtype) {
  auto impl = std::make_shared<TensorImpl>(std::move(storage), sizes, strides, 0, dtype);
  impl->inference = inference_mode();
  return Tensor(std::move(impl));
}
}  // namespace

Tensor Tensor::empty(const Dims& sizes, DType dtype) {
  const auto bytes = static_cast<size_t>(numel_of(sizes)) * dtype_size(dtype);
  return fresh(std::make_shared<Storage>(bytes), sizes, contiguous_strides(sizes), dtype);
}

Tensor Tensor::empty_channels_last(const Dims& sizes, DType dtype) {
  RUSHLIGHT_INTERNAL_ASSERT(sizes.size() == 4, "sizes ", to_string(sizes));
  // With one channel or one pixel both orders are the same bytes.
  if (sizes[1] <= 1 || sizes[2] * sizes[3] <= 1 || sizes[0] == 0) return empty(sizes, dtype);
  return fresh(std::make_shared<Storage>(sizes, dtype), sizes, contiguous_strides(sizes), dtype);
}

Tensor Tensor::deferred(const Dims& sizes, DType dtype, std::shared_ptr<const DeferredValues> values) {
  const auto bytes = static_cast<size_t>(numel_of(sizes)) * dtype_size(dtype);
  return fresh(std::make_shared<Storage>(bytes, std::move(values)), sizes, contiguous_strides(sizes), dtype);
}

Tensor Tensor::empty_strided(const Dims& sizes, const Dims& strides, DType dtype) {
  int64_t extent = numel_of(sizes) == 0 ? 0 : 1;
  for (size_t i = 0; i < sizes.size() && extent > 0; ++i) extent += (sizes[i] - 1) * strides[i];
  return fresh(std::make_shared<Storage>(static_cast<size_t>(extent) * dtype_size(dtype)), sizes, strides,
               dtype);
}

namespace {
template <class V>
Tensor make_scalar(V value, DType dtype) {
  Tensor result = Tensor::empty({}, dtype);
  char* data = result.raw_data();
  dispatch_all(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool> && std::is_same_v<V, double>)
      *reinterpret_cast<T*>(data) = static_cast<T>(static_cast<int64_t>(value));
    else
      *reinterpret_cast<T*>(data) = static_cast<T>(value);
  });
  return result;
}
}  // namespace

Tensor Tensor::scalar(double value, DType dtype) { return make_scalar(value, dtype); }
Tensor Tensor::scalar(int64_t value, DType dtype) { return make_scalar(value, dtype); }

Access Tensor::access() const {
  if (covers_storage()) {
    if (std::shared_ptr<char> block = impl_->storage->channels_last_data()) {
      char* data = block.get();
      return {data, channels_last_strides(impl_->sizes), std::move(block), true};
    }
  }
  return {raw_data(), impl_->strides, nullptr, false};
}

Tensor Tensor::alias(const Dims& sizes, const Dims& strides, int64_t offset) const {
  return Tensor(std::make_shared<TensorImpl>(impl_->storage, sizes, strides, offset, impl_->dtype));
}

}  // namespace rushlight

// Tensor: a handle to (storage, sizes, strides, offset, dtype) with optional autograd metadata.
#pragma once

#include <memory>
#include <utility>

#include "rushlight/base/check.h"
#include "rushlight/base/dtype.h"
#include "rushlight/tensor/shape.h"
#include "rushlight/tensor/storage.h"

namespace rushlight {

struct GradMeta;  // autograd/grad_meta.h

// Inference mode of this thread: tensors made in it can never enter a graph.
inline bool& inference_mode() {
  static thread_local bool enabled = false;
  return enabled;
}

class TensorImpl : public std::enable_shared_from_this<TensorImpl> {
 public:
  TensorImpl(std::shared_ptr<Storage> storage_, Dims sizes_, Dims strides_, int64_t offset_, DType dtype_);

  std::shared_ptr<Storage> storage;
  Dims sizes;
  Dims strides;  // logical: what PyTorch would show
  int64_t offset;
  int64_t numel;
  DType dtype;
  bool contiguous;
  bool wrapped_number = false;            // made from a Python number: weak in type promotion
  bool inference = false;                 // made in inference mode
  bool view_in_no_grad = false;           // a view that autograd does not follow
  bool before_change = false;             // stands for the value an in-place op overwrote
  std::shared_ptr<GradMeta> grad;         // null: plain data
  std::shared_ptr<TensorImpl> view_base;  // root of the view chain; null if not a view for autograd
  void* python = nullptr;                 // the live Python object of this tensor; the bindings' own
};

// Memory as a kernel reads it: element (i, j, ...) is at data + (i * strides[0] + ...) elements.
struct Access {
  char* data;
  Dims strides;
  std::shared_ptr<char> keep_alive;
  bool channels_last;  // the strides are physical N, H, W, C strides of the whole tensor
};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(std::shared_ptr<TensorImpl> impl) : impl_(std::move(impl)) {}

  // Uninitialised memory, plain row-major order.
  static Tensor empty(const Dims& sizes, DType dtype);
  // Same logical tensor, stored channels-last; sizes must be (N, C, H, W). See Note [Physical layout].
  static Tensor empty_channels_last(const Dims& sizes, DType dtype);
  static Tensor empty_strided(const Dims& sizes, const Dims& strides, DType dtype);
  // Plain row-major order, computed when somebody looks. See Note [Deferred values].
  static Tensor deferred(const Dims& sizes, DType dtype, std::shared_ptr<const DeferredValues> values);
  // 0-d tensor holding `value` converted to `dtype`.
  static Tensor scalar(double value, DType dtype);
  static Tensor scalar(int64_t value, DType dtype);

  bool defined() const { return impl_ != nullptr; }
  DType dtype() const { return impl_->dtype; }
  int64_t dim() const { return static_cast<int64_t>(impl_->sizes.size()); }
  int64_t numel() const { return impl_->numel; }
  const Dims& sizes() const { return impl_->sizes; }
  const Dims& strides() const { return impl_->strides; }
  int64_t offset() const { return impl_->offset; }
  int64_t size(int64_t d) const { return impl_->sizes[existing_dim(d, dim())]; }
  int64_t stride(int64_t d) const { return impl_->strides[existing_dim(d, dim())]; }
  bool is_contiguous() const { return impl_->contiguous; }
  size_t nbytes() const { return static_cast<size_t>(numel()) * dtype_size(dtype()); }

  // First element in plain memory (elements at logical strides()). Re-lays a channels-last storage.
  char* raw_data() const {
    return impl_->storage->data() + static_cast<size_t>(impl_->offset) * dtype_size(impl_->dtype);
  }
  template <class T>
  T* data() const {
    RUSHLIGHT_INTERNAL_ASSERT(DTypeOf<T>::value == dtype(), "data<T> of a ", dtype_name(dtype()), " tensor");
    return reinterpret_cast<T*>(raw_data());
  }
  // For kernels that take any strides: never copies.
  Access access() const;
  // The whole tensor is stored channels-last.
  bool is_channels_last() const { return covers_storage() && impl_->storage->is_channels_last(); }

  // Another handle on the same storage with its own geometry; no autograd. Bounds are the caller's duty.
  Tensor alias(const Dims& sizes, const Dims& strides, int64_t offset) const;
  Tensor alias() const { return alias(sizes(), strides(), offset()); }

  TensorImpl* impl() const { return impl_.get(); }
  const std::shared_ptr<TensorImpl>& shared() const { return impl_; }
  Storage& storage() const { return *impl_->storage; }
  // Nothing else can see this tensor's memory: it may be overwritten or handed on.
  bool is_sole_owner() const { return impl_.use_count() == 1 && impl_->storage.use_count() == 1; }

  // Defined with autograd, declared here because every layer asks.
  bool requires_grad() const;

 private:
  bool covers_storage() const {
    return impl_->contiguous && impl_->offset == 0 && impl_->sizes.size() == 4 &&
           nbytes() == impl_->storage->nbytes();
  }

  std::shared_ptr<TensorImpl> impl_;
};

}  // namespace rushlight

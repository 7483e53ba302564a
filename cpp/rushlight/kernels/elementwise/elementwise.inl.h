// From functors to functions over dense runs, and the table of those a translation unit provides.
#pragma once

#include "rushlight/kernels/elementwise/activation.inl.h"
#include "rushlight/kernels/elementwise/simple_pairs.inl.h"

// Iterations are independent although dst may be one of the sources.
#if defined(__clang__)
#define RUSHLIGHT_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define RUSHLIGHT_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

using elementwise_detail::Run;

enum class Real { None, Vector, Smooth, Libm };

template <class F>
inline F make_functor(const ElementwiseScalars& scalars) {
  if constexpr (std::is_constructible_v<F, const ElementwiseScalars&>)
    return F(scalars);
  else
    return F();
}

template <class F, class = void>
struct HasRange : std::false_type {};
template <class F>
struct HasRange<F, std::void_t<decltype(&F::slow)>> : std::true_type {};

template <class F, class T>
void run_unary(int64_t n, void* dst, const void* const* src, const ElementwiseScalars& scalars) {
  const F f = make_functor<F>(scalars);
  using Out = decltype(f(T()));
  Out* out = static_cast<Out*>(dst);
  const T* a = static_cast<const T*>(src[0]);
  RUSHLIGHT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) out[i] = f(a[i]);
}

// Blockwise: dst may be src, so the arguments are kept for the elements that have to be redone.
template <class F, class T>
void run_ranged(int64_t n, void* dst, const void* const* src, const ElementwiseScalars&) {
  constexpr int64_t block = 256;
  const F f{};
  T* out = static_cast<T*>(dst);
  const T* a = static_cast<const T*>(src[0]);
  for (int64_t begin = 0; begin < n; begin += block) {
    const int64_t count = n - begin < block ? n - begin : block;
    T kept[block];
    int outside = 0;
    for (int64_t i = 0; i < count; ++i) {
      kept[i] = a[begin + i];
      outside |= static_cast<int>(!F::in_range(kept[i]));
    }
    for (int64_t i = 0; i < count; ++i) out[begin + i] = f(kept[i]);
    if (outside == 0) continue;
    for (int64_t i = 0; i < count; ++i)
      if (!F::in_range(kept[i])) out[begin + i] = F::slow(kept[i]);
  }
}

template <class F, class T>
void run_binary(int64_t n, void* dst, const void* const* src, const ElementwiseScalars& scalars) {
  const F f = make_functor<F>(scalars);
  using Out = decltype(f(T(), T()));
  Out* out = static_cast<Out*>(dst);
  const T* a = static_cast<const T*>(src[0]);
  const T* b = static_cast<const T*>(src[1]);
  RUSHLIGHT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) out[i] = f(a[i], b[i]);
}

// A is uint8_t (a bool) for Where and T for the rest.
template <class F, class A, class T>
void run_ternary(int64_t n, void* dst, const void* const* src, const ElementwiseScalars& scalars) {
  const F f = make_functor<F>(scalars);
  T* out = static_cast<T*>(dst);
  const A* a = static_cast<const A*>(src[0]);
  const T* b = static_cast<const T*>(src[1]);
  const T* c = static_cast<const T*>(src[2]);
  RUSHLIGHT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) out[i] = f(a[i], b[i], c[i]);
}

template <template <class> class F, class T, int kOperands, bool kProvided>
constexpr Run entry() {
  if constexpr (!kProvided)
    return nullptr;
  else if constexpr (kOperands == 1 && HasRange<F<T>>::value)
    return run_ranged<F<T>, T>;
  else if constexpr (kOperands == 1)
    return run_unary<F<T>, T>;
  else if constexpr (kOperands == 2)
    return run_binary<F<T>, T>;
  else if constexpr (std::is_same_v<F<T>, Where<T>>)
    return run_ternary<F<T>, uint8_t, T>;
  else
    return run_ternary<F<T>, T, T>;
}

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

#include "rushlight/kernels/elementwise/convert.h"

#include <cstring>

#include "rushlight/kernels/isa.h"

namespace rushlight::kernels {
namespace {

template <class From, class To>
void convert_run(int64_t n, const char* src, int64_t src_stride, char* dst, int64_t dst_stride) {
  constexpr int64_t from = sizeof(From);
  constexpr int64_t to = sizeof(To);
  if (src_stride == from && dst_stride == to) {
    if constexpr (std::is_same_v<From, To>) {
      std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(To));
    } else {
      constexpr PerIsa<ConvertDense (*)(DType, DType)> levels{
          &generic::convert_dense, RUSHLIGHT_AVX2(&avx2::convert_dense),
          RUSHLIGHT_AVX512(&avx512::convert_dense), nullptr};
      levels.at(active_isa())(DTypeOf<From>::value, DTypeOf<To>::value)(n, src, dst);
    }
    return;
  }
  if (src_stride == 0) {
    const To value = convert_element<To>(*reinterpret_cast<const From*>(src));
    for (int64_t i = 0; i < n; ++i) *reinterpret_cast<To*>(dst + i * dst_stride) = value;
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<To*>(dst + i * dst_stride) =
        convert_element<To>(*reinterpret_cast<const From*>(src + i * src_stride));
}

}  // namespace

ConvertRun find_convert(DType from, DType to) {
  if (from == to)
    return dispatch_size(from, [](auto tag) -> ConvertRun {
      using T = typename decltype(tag)::type;
      return convert_run<T, T>;
    });
  return dispatch_all(from, [&](auto source) {
    return dispatch_all(to, [&](auto target) -> ConvertRun {
      using From = typename decltype(source)::type;
      using To = typename decltype(target)::type;
      if constexpr (std::is_same_v<From, To>)
        return nullptr;  // taken above
      else
        return convert_run<From, To>;
    });
  });
}

}  // namespace rushlight::kernels

#include "rushlight/kernels/conv2d/pixel_columns.h"

namespace rushlight::kernels {

template <>
ColumnKernels<float> column_kernels() {
  static constexpr PerIsa<void (*)(const TapColumns<float>&)> kTake{
      generic::take_taps_f32, RUSHLIGHT_AVX2(avx2::take_taps_f32), RUSHLIGHT_AVX512(avx512::take_taps_f32)};
  static constexpr PerIsa<void (*)(const TapColumns<float>&)> kAdd{
      generic::add_taps_f32, RUSHLIGHT_AVX2(avx2::add_taps_f32), RUSHLIGHT_AVX512(avx512::add_taps_f32)};
  return {kTake.at(active_isa()), kAdd.at(active_isa())};
}
template <>
ColumnKernels<double> column_kernels() {
  static constexpr PerIsa<void (*)(const TapColumns<double>&)> kTake{
      generic::take_taps_f64, RUSHLIGHT_AVX2(avx2::take_taps_f64), RUSHLIGHT_AVX512(avx512::take_taps_f64)};
  static constexpr PerIsa<void (*)(const TapColumns<double>&)> kAdd{
      generic::add_taps_f64, RUSHLIGHT_AVX2(avx2::add_taps_f64), RUSHLIGHT_AVX512(avx512::add_taps_f64)};
  return {kTake.at(active_isa()), kAdd.at(active_isa())};
}

}  // namespace rushlight::kernels

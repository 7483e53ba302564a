#include "rushlight/kernels/layer_norm/layer_norm.inl.h"

namespace rushlight::kernels::avx512 {

extern constexpr LayerNormTable<float> kLayerNormF32 = make_layer_norm_table<float>();
extern constexpr LayerNormTable<double> kLayerNormF64 = make_layer_norm_table<double>();

}  // namespace rushlight::kernels::avx512

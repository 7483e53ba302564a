#include "rushlight/kernels/gemm/gemm.inl.h"
#include "rushlight/kernels/gemm/gemm_levels.h"
#include "rushlight/kernels/gemm/pack.inl.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {

void gemm_block_f32(const GemmBlock<float>& x) { gemm_block<float, 4>(x); }
void gemm_block_f64(const GemmBlock<double>& x) { gemm_block<double, 4>(x); }
void gemm_dots_f32(const GemmDots<float>& x) { gemm_dots(x); }
void gemm_dots_f64(const GemmDots<double>& x) { gemm_dots(x); }
void gemm_pack_f32(const GemmPanel<float>& x) { gemm_pack(x); }
void gemm_pack_f64(const GemmPanel<double>& x) { gemm_pack(x); }

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

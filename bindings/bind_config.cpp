// How this extension was built, and the instruction-set level it runs at.
#include "bind.h"
#include "rushlight/base/cpu.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/conv2d/conv2d.h"
#include "rushlight/kernels/gemm/gemm.h"
#include "rushlight/kernels/gemm/split.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/limits/limits.h"

namespace rushlight::bindings {
namespace {

const char* compiler() {
#if defined(__clang__)
  return "Clang " __clang_version__;
#elif defined(__GNUC__)
  return "GCC " __VERSION__;
#else
  return "unknown";
#endif
}

constexpr int64_t kUsualWidth = 56;  // the maps of ResNet's first stage

}  // namespace

void bind_config(py::module_& m) {
  active_isa();  // a RUSHLIGHT_ISA that this machine has not got fails the import
  m.def(
      "_build_info",
      [] {
        py::dict facts;
        facts["compiler"] = compiler();
        facts["isa"] = isa_name(active_isa());
        facts["isa best"] = isa_name(best_isa());
        facts["threads"] = std::to_string(num_threads());
        return facts;
      },
      "Compiler, instruction-set level in use and best of this machine, threads.");
  m.def(
      "_kernels",
      [] {
        const Isa isa = active_isa();
        const kernels::PerIsa<const char*> vectors{"generic", RUSHLIGHT_AVX2("avx2"),
                                                   RUSHLIGHT_AVX512("avx512")};
        py::dict chosen;
        const auto& gemm = kernels::select_gemm<float>(isa);
        const auto& convolution = kernels::select_conv2d<float>(isa, kUsualWidth);
        const auto& tiles = kernels::split_kernel<float>();
        chosen["products, float32"] = gemm.split ? tiles.gemm_name : gemm.name;
        chosen["products, float64"] = kernels::select_gemm<double>(isa).name;
        chosen["convolutions, float32"] = convolution.split ? tiles.conv2d_name : convolution.name;
        chosen["convolutions, float64"] = kernels::select_conv2d<double>(isa, kUsualWidth).name;
        if (kernels::has_bfloat16()) {
          chosen["products, bfloat16"] = kernels::split_kernel<uint16_t>().gemm_name;
          chosen["convolutions, bfloat16"] = kernels::split_kernel<uint16_t>().conv2d_name;
        }
        chosen["everything else"] = vectors.at(isa);
        return chosen;
      },
      "The kernel of each family at the level in use, for the sizes it was made for.");
  m.def(
      "_machine_limits",
      [] {
        const kernels::MachineLimits limits = kernels::machine_limits();
        py::dict rates;
        rates["fma"] = limits.fma;
        rates["tiles"] = limits.tiles;
        rates["stream"] = limits.stream;
        rates["update"] = limits.update;
        rates["read"] = limits.read;
        return rates;
      },
      "Measured limits at the level and threads in use: float32 and bfloat16 tile operations, and bytes of "
      "a + s * b, elsewhere and in place, and of a sum, a second. Takes about 0.1 s the first time.");
}

}  // namespace rushlight::bindings

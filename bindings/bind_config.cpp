// How this extension was built, and the instruction-set level it runs at.
#include "bind.h"
#include "rushlight/base/cpu.h"
#include "rushlight/base/parallel.h"
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
      "_machine_limits",
      [] {
        const kernels::MachineLimits limits = kernels::machine_limits();
        py::dict rates;
        rates["fma"] = limits.fma;
        rates["tiles"] = limits.tiles;
        rates["stream"] = limits.stream;
        rates["read"] = limits.read;
        return rates;
      },
      "Measured limits at the level and threads in use: float32 and bfloat16 tile operations, and bytes of "
      "a + s * b and of a sum, a second. Takes about 0.1 s the first time.");
}

}  // namespace rushlight::bindings

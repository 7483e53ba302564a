// Which instruction set the kernels may use: what the machine has, lowered by RUSHLIGHT_ISA.
#pragma once

#include <string>

namespace rushlight {

// A chain: each level includes the ones before it.
// Avx2 = AVX2 + FMA + F16C; Avx512 = F, BW, DQ, VL; Amx = Avx512 + AVX512-BF16 + AMX-BF16.
enum class Isa { Generic, Avx2, Avx512, Amx };
constexpr int kNumIsas = 4;

// "generic", "avx2", "avx512", "amx": the values RUSHLIGHT_ISA takes.
const char* isa_name(Isa isa);

// The highest level that this build holds and that CPUID, the operating system (XCR0) and, for AMX,
// its permission call all allow. Found once.
Isa best_isa();

// "generic, avx2, avx512": every level up to best_isa().
std::string available_isas();

// The level in use: best_isa(), or the lower one RUSHLIGHT_ISA names.
// Throws ValueError for a name that is unknown or not available here; the extension module calls it while
// it is imported, so that such a mistake shows there.
Isa active_isa();

// Changes the level in use (tests and benches compare levels in one process).
// Throws ValueError if the machine has not got it.
void set_active_isa(Isa isa);

}  // namespace rushlight

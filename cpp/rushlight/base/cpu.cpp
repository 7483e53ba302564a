#include "rushlight/base/cpu.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "rushlight/base/check.h"

namespace rushlight {
namespace {

#if defined(__x86_64__)
struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r;
  if (!__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx)) return Registers{};
  return r;
}

constexpr bool has_bits(uint64_t word, uint64_t bits) { return (word & bits) == bits; }
constexpr uint64_t bit(int index) { return uint64_t{1} << index; }

// Register state the operating system saves; readable only when CPUID reports OSXSAVE.
uint64_t xcr0() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

// Linux keeps the 8 KB of tile state disabled until a process asks for it; the grant covers all its threads.
bool amx_permitted() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

Isa machine_isa() {
  const Registers basic = cpuid(1, 0);
  if (!has_bits(basic.ecx, bit(12) | bit(27) | bit(28) | bit(29)))
    return Isa::Generic;  // FMA OSXSAVE AVX F16C
  const uint64_t saved = xcr0();
  const Registers extended = cpuid(7, 0);
  if (!has_bits(saved, bit(1) | bit(2)) || !has_bits(extended.ebx, bit(5))) return Isa::Generic;
  if (!has_bits(saved, bit(5) | bit(6) | bit(7)) ||
      !has_bits(extended.ebx, bit(16) | bit(17) | bit(30) | bit(31)))  // F DQ BW VL
    return Isa::Avx2;
  if (!has_bits(saved, bit(17) | bit(18)) ||
      !has_bits(extended.edx, bit(22) | bit(24)) ||            // AMX-BF16, AMX-TILE
      !has_bits(cpuid(7, 1).eax, bit(5)) || !amx_permitted())  // AVX512-BF16
    return Isa::Avx512;
  return Isa::Amx;
}
#else
Isa machine_isa() { return Isa::Generic; }
#endif

// The levels this compiler could build; a gap ends the chain.
Isa built_isa() {
#if !defined(RUSHLIGHT_BUILT_AVX2)
  return Isa::Generic;
#elif !defined(RUSHLIGHT_BUILT_AVX512)
  return Isa::Avx2;
#elif !defined(RUSHLIGHT_BUILT_AMX)
  return Isa::Avx512;
#else
  return Isa::Amx;
#endif
}

Isa requested_isa() {
  const char* text = std::getenv("RUSHLIGHT_ISA");
  if (text == nullptr || *text == '\0') return best_isa();
  const std::string name = text;
  for (int level = 0; level <= static_cast<int>(best_isa()); ++level)
    if (name == isa_name(static_cast<Isa>(level))) return static_cast<Isa>(level);
  bool known = false;
  for (int level = 0; level < kNumIsas; ++level) known = known || name == isa_name(static_cast<Isa>(level));
  throw ValueError(str("RUSHLIGHT_ISA: '", name,
                       known ? "' is not available on this machine" : "' is unknown",
                       "; available are: ", available_isas()));
}

std::atomic<Isa>& active() {
  static std::atomic<Isa> isa{requested_isa()};
  return isa;
}

}  // namespace

const char* isa_name(Isa isa) {
  constexpr const char* names[kNumIsas] = {"generic", "avx2", "avx512", "amx"};
  return names[static_cast<int>(isa)];
}

Isa best_isa() {
  static const Isa best = [] {
    const Isa machine = machine_isa();
    const Isa built = built_isa();
    return machine < built ? machine : built;
  }();
  return best;
}

std::string available_isas() {
  std::string names = isa_name(Isa::Generic);
  for (int level = 1; level <= static_cast<int>(best_isa()); ++level)
    names += std::string(", ") + isa_name(static_cast<Isa>(level));
  return names;
}

Isa active_isa() { return active().load(std::memory_order_relaxed); }

void set_active_isa(Isa isa) {
  RUSHLIGHT_CHECK_VALUE(isa <= best_isa(), "set_active_isa: '", isa_name(isa),
                        "' is not available; available are: ", available_isas());
  active().store(isa);
}

}  // namespace rushlight

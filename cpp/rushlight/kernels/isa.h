// How kernels are compiled several times and chosen at run time.
//
// Note [ISA translation units]
// A family has one thin file per level, <family>_<level>.cpp, that isa.cmake compiles with that level's
// flags and with RUSHLIGHT_ISA_NS set to the level. The linker keeps one copy of an inline function: if a
// baseline file and an AVX file both emit it, the AVX copy may be the one kept, and an old CPU dies of it.
// Static constructors in an AVX file would run before any CPU check. Hence:
//  1. Flags belong to single files (never -march=native, never a global -m), without LTO.
//  2. All code of such a file is inside namespace rushlight::kernels::RUSHLIGHT_ISA_NS, in templates
//     (<family>.inl.h) too; no namespace-scope object has a constructor.
//  3. It includes only <immintrin.h>, <cstddef>, <cstdint>, <cmath>, <cstring>, <cassert> and headers under
//  kernels/
//     written for it (this one, vec/, <family>.h, *.inl.h). No std:: containers or algorithms, none of base's
//     inline functions (base/dtype.h's conversions are such), no threads, no allocation, no exceptions.
//  4. tests/lint/test_isa_symbols.py reads the symbol tables of these objects and fails on a breach.
// Selection is baseline code in <family>.cpp: a pure function of the parameters and the level.
#pragma once

#include "rushlight/base/cpu.h"

// Which levels this compiler could build; set by isa.cmake.
#ifndef RUSHLIGHT_BUILT_AVX2
#define RUSHLIGHT_BUILT_AVX2 0
#endif
#ifndef RUSHLIGHT_BUILT_AVX512
#define RUSHLIGHT_BUILT_AVX512 0
#endif
#ifndef RUSHLIGHT_BUILT_AMX
#define RUSHLIGHT_BUILT_AMX 0
#endif

// Names of a level's symbols, or null in a build without that level: tables list
// {RUSHLIGHT_AVX2(&avx2::kernel)} and never need an #if.
#if RUSHLIGHT_BUILT_AVX2
#define RUSHLIGHT_AVX2(symbol) symbol
#else
#define RUSHLIGHT_AVX2(symbol) nullptr
#endif
#if RUSHLIGHT_BUILT_AVX512
#define RUSHLIGHT_AVX512(symbol) symbol
#else
#define RUSHLIGHT_AVX512(symbol) nullptr
#endif
#if RUSHLIGHT_BUILT_AMX
#define RUSHLIGHT_AMX(symbol) symbol
#else
#define RUSHLIGHT_AMX(symbol) nullptr
#endif

namespace rushlight::kernels {

// One function (or table of functions) per level; null where a level has no version of its own.
template <class Pointer>
struct PerIsa {
  Pointer generic = nullptr;
  Pointer avx2 = nullptr;
  Pointer avx512 = nullptr;
  Pointer amx = nullptr;

  // The entry of the highest level not above `isa`.
  Pointer at(Isa isa) const {
    if (isa >= Isa::Amx && amx != nullptr) return amx;
    if (isa >= Isa::Avx512 && avx512 != nullptr) return avx512;
    if (isa >= Isa::Avx2 && avx2 != nullptr) return avx2;
    return generic;
  }
};

}  // namespace rushlight::kernels

// What each vector level compiled under the same name: PerIsa of the addresses.
#define RUSHLIGHT_PER_ISA(symbol)                                                      \
  ::rushlight::kernels::PerIsa<decltype(&::rushlight::kernels::generic::symbol)> {     \
    &generic::symbol, RUSHLIGHT_AVX2(&avx2::symbol), RUSHLIGHT_AVX512(&avx512::symbol) \
  }

# Per-ISA translation units: see Note [ISA translation units] in kernels/isa.h.
include(CheckCXXCompilerFlag)

set(RUSHLIGHT_ISA_LEVELS generic)
set(RUSHLIGHT_FLAGS_generic "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(RUSHLIGHT_FLAGS_avx2 -mavx2 -mfma -mf16c)
  set(RUSHLIGHT_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c
                             -mprefer-vector-width=512)
  set(RUSHLIGHT_FLAGS_amx ${RUSHLIGHT_FLAGS_avx512} -mavx512bf16 -mamx-tile -mamx-bf16)
  foreach(level avx2 avx512 amx)
    string(REPLACE ";" " " flags "${RUSHLIGHT_FLAGS_${level}}")
    check_cxx_compiler_flag("${flags}" RUSHLIGHT_COMPILER_HAS_${level})
    if(RUSHLIGHT_COMPILER_HAS_${level})
      list(APPEND RUSHLIGHT_ISA_LEVELS ${level})
      string(TOUPPER ${level} upper)
      target_compile_definitions(rushlight_core PUBLIC RUSHLIGHT_BUILT_${upper}=1)
    else()
      message(STATUS "rushlight: this compiler cannot build the ${level} kernels (${flags}); left out")
    endif()
  endforeach()
endif()

# What every level is compiled with. GCC 12 takes the deliberately undefined operands inside its own AVX-512
# intrinsics for uninitialised variables (GCC bug 105593).
set(RUSHLIGHT_FLAGS_all -fno-lto -O3 -fno-math-errno -fno-trapping-math)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND RUSHLIGHT_FLAGS_all -Wno-uninitialized -Wno-maybe-uninitialized)
endif()
foreach(level all ${RUSHLIGHT_ISA_LEVELS})  # seen by the tests' directory too
  set(RUSHLIGHT_FLAGS_${level} "${RUSHLIGHT_FLAGS_${level}}" CACHE INTERNAL "")
endforeach()
set(RUSHLIGHT_ISA_LEVELS "${RUSHLIGHT_ISA_LEVELS}" CACHE INTERNAL "Levels this compiler can build")

# Adds one source to a target: *_<level>.cpp with the flags of its level (or not at all if this compiler lacks it).
function(rushlight_add_isa_source target source)
  get_filename_component(name ${source} NAME_WE)
  string(REGEX MATCH "_(generic|avx2|avx512|amx)$" found ${name})
  if(NOT found)
    target_sources(${target} PRIVATE ${source})
  elseif(CMAKE_MATCH_1 IN_LIST RUSHLIGHT_ISA_LEVELS)
    target_sources(${target} PRIVATE ${source})
    set_source_files_properties(${source} PROPERTIES
      COMPILE_OPTIONS "${RUSHLIGHT_FLAGS_${CMAKE_MATCH_1}};${RUSHLIGHT_FLAGS_all}"
      COMPILE_DEFINITIONS "RUSHLIGHT_ISA_NS=${CMAKE_MATCH_1}")
  endif()
endfunction()

# Adds every source of kernels/<family>/.
function(rushlight_add_kernel_family folder)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  foreach(source ${sources})
    rushlight_add_isa_source(rushlight_core ${source})
  endforeach()
endfunction()

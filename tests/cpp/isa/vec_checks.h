// Checks of vec/ that run once a level. Each returns the line of the first failed comparison, or 0.
#pragma once

#define RUSHLIGHT_DECLARE_VEC_CHECKS(level) \
  namespace rushlight::kernels::level {     \
  int check_vec_float();                    \
  int check_vec_double();                   \
  int check_vec_int();                      \
  int check_vec_bytes();                    \
  int check_vec_conversions();              \
  }
RUSHLIGHT_DECLARE_VEC_CHECKS(generic)
RUSHLIGHT_DECLARE_VEC_CHECKS(avx2)
RUSHLIGHT_DECLARE_VEC_CHECKS(avx512)

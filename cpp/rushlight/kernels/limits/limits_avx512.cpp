#include "rushlight/kernels/limits/limits.inl.h"

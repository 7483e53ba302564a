#include "rushlight/kernels/random/random.inl.h"

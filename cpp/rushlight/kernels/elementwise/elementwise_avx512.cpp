#include "rushlight/kernels/elementwise/elementwise_level.inl.h"

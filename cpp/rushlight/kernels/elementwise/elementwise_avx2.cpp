#include "rushlight/kernels/elementwise/elementwise_float.inl.h"

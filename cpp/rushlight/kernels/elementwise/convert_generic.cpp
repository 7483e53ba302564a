#include "rushlight/kernels/elementwise/convert.inl.h"

#include "rushlight/kernels/conv2d/winograd.inl.h"

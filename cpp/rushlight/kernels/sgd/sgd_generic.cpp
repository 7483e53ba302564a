#include "rushlight/kernels/sgd/sgd.inl.h"

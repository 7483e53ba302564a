#include "isa/vec_checks.inl.h"

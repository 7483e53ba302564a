// The rules that C++ code names; the others are reached through unary_rules().
#pragma once

#include "rushlight/ops/unary.h"

namespace rushlight::ops {

extern const UnaryRule kNeg, kAbs, kSign, kSqrt, kRsqrt, kReciprocal, kExp, kErf, kLog, kLog1p, kSin, kCos,
    kSinh, kCosh, kTanh, kSigmoid, kLogicalNot, kRelu, kRound, kBitwiseNot;

}  // namespace rushlight::ops

// The smooth functions for float64, from the C library; the names are those of fast_math.inl.h.
#pragma once

#include <cmath>
#include <limits>

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kPi = 3.14159265358979323846;

inline double exp_(double x) { return std::exp(x); }
inline double expm1_(double x) { return std::expm1(x); }
inline double log_(double x) { return std::log(x); }
inline double log2_(double x) { return std::log2(x); }
inline double log10_(double x) { return std::log10(x); }
inline double log1p_(double x) { return std::log1p(x); }
inline double log1p_exp_(double a) { return std::log1p(std::exp(-a)); }
inline bool trig_in_range(double) { return true; }
inline double sin_(double x) { return std::sin(x); }
inline double cos_(double x) { return std::cos(x); }
inline double tan_(double x) { return std::tan(x); }
inline double slow_sin(double x) { return std::sin(x); }
inline double slow_cos(double x) { return std::cos(x); }
inline double slow_tan(double x) { return std::tan(x); }
inline double asin_(double x) { return std::asin(x); }
inline double acos_(double x) { return std::acos(x); }
inline double atan_(double x) { return std::atan(x); }
inline double atan2_(double y, double x) { return std::atan2(y, x); }
inline double sinh_(double x) { return std::sinh(x); }
inline double cosh_(double x) { return std::cosh(x); }
inline double tanh_(double x) { return std::tanh(x); }
inline double asinh_(double x) { return std::asinh(x); }
inline double acosh_(double x) { return std::acosh(x); }
inline double atanh_(double x) { return std::atanh(x); }
inline double erf_(double x) { return std::erf(x); }
inline double erfc_(double x) { return std::erfc(x); }
inline double sigmoid_(double x) { return 1 / (1 + std::exp(-x)); }
inline double normal_cdf(double x) { return 0.5 * std::erfc(x * -0.70710678118654752440); }
inline double pow_(double x, double y) { return std::pow(x, y); }

}  // namespace
}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

// The whole of convert_<level>.cpp: dense runs from any element type to any other.
#pragma once

#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/kernels/vec/vec.h"

namespace rushlight::kernels::RUSHLIGHT_ISA_NS {
namespace {

// What stands for the element types that are no numbers here; a bool is read as a byte of 0 or 1.
struct Bool {};
struct F16 {};
struct BF16 {};
template <class T>
constexpr bool is_16bit_float = std::is_same_v<T, F16> || std::is_same_v<T, BF16>;

template <class From, class To>
void convert_numbers(int64_t n, const From* __restrict src, To* __restrict dst) {
  for (int64_t i = 0; i < n; ++i) dst[i] = convert_number<To>(src[i]);
}
template <class From>
void to_bool(int64_t n, const From* __restrict src, uint8_t* __restrict dst) {
  for (int64_t i = 0; i < n; ++i) dst[i] = src[i] != From(0) ? 1 : 0;
}
template <class T>
void widen(int64_t n, const uint16_t* src, float* dst) {
  for (int64_t i = 0; i < n; i += Vec<float>::kLanes) {
    const int64_t left = n - i < Vec<float>::kLanes ? n - i : Vec<float>::kLanes;
    store_n(dst + i, std::is_same_v<T, F16> ? load_f16(src + i, left) : load_bf16(src + i, left), left);
  }
}
template <class T>
void narrow(int64_t n, const float* src, uint16_t* dst) {
  for (int64_t i = 0; i < n; i += Vec<float>::kLanes) {
    const int64_t left = n - i < Vec<float>::kLanes ? n - i : Vec<float>::kLanes;
    if constexpr (std::is_same_v<T, F16>)
      store_f16(dst + i, load_n(src + i, left), left);
    else
      store_bf16(dst + i, load_n(src + i, left), left);
  }
}

template <class From, class To>
void run_dense(int64_t n, const void* src, void* dst) {
  if constexpr (is_16bit_float<From> && std::is_same_v<To, float>) {
    widen<From>(n, static_cast<const uint16_t*>(src), static_cast<float*>(dst));
  } else if constexpr (is_16bit_float<To> && std::is_same_v<From, float>) {
    narrow<To>(n, static_cast<const float*>(src), static_cast<uint16_t*>(dst));
  } else if constexpr (is_16bit_float<From> || is_16bit_float<To>) {  // by way of float
    constexpr int64_t block = 256;
    constexpr int64_t from_size = is_16bit_float<From> ? 2 : sizeof(From);
    constexpr int64_t to_size = is_16bit_float<To> ? 2 : (std::is_same_v<To, Bool> ? 1 : sizeof(To));
    float values[block];
    for (int64_t begin = 0; begin < n; begin += block) {
      const int64_t count = n - begin < block ? n - begin : block;
      run_dense<From, float>(count, static_cast<const char*>(src) + begin * from_size, values);
      run_dense<float, To>(count, values, static_cast<char*>(dst) + begin * to_size);
    }
  } else if constexpr (std::is_same_v<To, Bool>) {
    to_bool(n, static_cast<const From*>(src), static_cast<uint8_t*>(dst));
  } else {
    convert_numbers(n, static_cast<const From*>(src), static_cast<To*>(dst));
  }
}

template <class From>
ConvertDense from_type(DType to) {
  switch (to) {
    case DType::Bool: return run_dense<From, Bool>;
    case DType::UInt8: return run_dense<From, uint8_t>;
    case DType::Int8: return run_dense<From, int8_t>;
    case DType::Int16: return run_dense<From, int16_t>;
    case DType::Int32: return run_dense<From, int32_t>;
    case DType::Int64: return run_dense<From, int64_t>;
    case DType::Float16: return run_dense<From, F16>;
    case DType::BFloat16: return run_dense<From, BF16>;
    case DType::Float32: return run_dense<From, float>;
    default: return run_dense<From, double>;
  }
}

}  // namespace

ConvertDense convert_dense(DType from, DType to) {
  switch (from) {
    case DType::Bool:
    case DType::UInt8: return from_type<uint8_t>(to);
    case DType::Int8: return from_type<int8_t>(to);
    case DType::Int16: return from_type<int16_t>(to);
    case DType::Int32: return from_type<int32_t>(to);
    case DType::Int64: return from_type<int64_t>(to);
    case DType::Float16: return from_type<F16>(to);
    case DType::BFloat16: return from_type<BF16>(to);
    case DType::Float32: return from_type<float>(to);
    default: return from_type<double>(to);
  }
}

}  // namespace rushlight::kernels::RUSHLIGHT_ISA_NS

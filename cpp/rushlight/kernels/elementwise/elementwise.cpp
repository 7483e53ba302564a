#include "rushlight/kernels/elementwise/elementwise.h"

#include <atomic>
#include <cassert>

#include "rushlight/kernels/elementwise/convert.h"
#include "rushlight/kernels/elementwise/strided.h"
#include "rushlight/kernels/elementwise/tables.h"
#include "rushlight/kernels/isa.h"

namespace rushlight::kernels {
namespace {

using elementwise_detail::Run;

// Elements of an operand that are converted or gathered at a time; four such blocks stay in the L1 cache.
constexpr int64_t kBlock = 512;
constexpr int kMaxOperands = 3;

struct Traits {
  int operands;
  bool predicate;
};

const Traits& traits(ElementwiseOp op) {
  constexpr bool Same = false;
  constexpr bool Bool = true;
  static constexpr Traits table[] = {
#define RUSHLIGHT_ELEMENTWISE(name, operands, real, integers, result) {operands, result},
#include "rushlight/kernels/elementwise/kernels.inc"
#undef RUSHLIGHT_ELEMENTWISE
  };
  return table[static_cast<int>(op)];
}

DType computation_type(DType dtype) {
  switch (dtype) {
    case DType::Float64:
    case DType::Int64: return dtype;
    case DType::Float32:
    case DType::Float16:
    case DType::BFloat16: return DType::Float32;
    default: return DType::Int32;
  }
}

struct Found {
  Run run;
  DType type;  // of computation
};

Run find_run(ElementwiseOp op, DType type, Isa isa) {
  constexpr PerIsa<Run (*)(ElementwiseOp, DType)> levels{
      &generic::elementwise_level, RUSHLIGHT_AVX2(&avx2::elementwise_level),
      RUSHLIGHT_AVX512(&avx512::elementwise_level), nullptr};
  const Run run = levels.at(isa)(op, type);
  return run != nullptr ? run : plain::elementwise_plain(op, type);
}

// The function for operands promoted to `dtype`; run is null if there is none.
Found find(ElementwiseOp op, DType dtype, Isa isa) {
  if (dtype == DType::Bool)
    if (const Run run = find_run(op, DType::Bool, isa)) return {run, DType::Bool};
  const DType type = computation_type(dtype);
  return {find_run(op, type, isa), type};
}

// How one operand reaches the function: in place, or through a block of the computation type.
struct Port {
  ConvertRun convert;  // null: the element types agree
  int64_t item_size;   // of the computation type
};

template <int N>
class Driver {
 public:
  Driver(ElementwiseOp op, Run run, DType type, const ElementwiseResult& dst, const ElementwiseOperand* src,
         const ElementwiseScalars& scalars)
      : run_(run), scalars_(scalars) {
    const DType result = traits(op).predicate ? DType::Bool : type;
    set_port(0, dst.dtype, result, dst.dtype == result ? nullptr : find_convert(result, dst.dtype));
    for (int k = 0; k < N; ++k) {
      const DType wanted = op == ElementwiseOp::Where && k == 0 ? DType::Bool : type;
      const DType given = src[k].dtype;
      set_port(k + 1, given, wanted, given == wanted ? nullptr : find_convert(given, wanted));
    }
  }

  bool converts() const {
    for (const Port& port : ports_)
      if (port.convert != nullptr) return true;
    return false;
  }

  void dense(int64_t n, char* const* pointers) const {
    const void* sources[N];
    for (int k = 0; k < N; ++k) sources[k] = pointers[k + 1];
    run_(n, pointers[0], sources, scalars_);
  }

  // One run along the innermost dimension; pointers[0] is the result.
  void operator()(char* const* pointers, const int64_t* strides, int64_t n) const {
    bool direct[N + 1];
    bool all = true;
    for (int k = 0; k <= N; ++k) {
      direct[k] = ports_[k].convert == nullptr && (strides[k] == ports_[k].item_size || n == 1);
      all = all && direct[k];
    }
    if (all)
      dense(n, pointers);
    else
      blockwise(pointers, strides, n, direct);
  }

 private:
  void set_port(int k, DType stored, DType wanted, ConvertRun convert) {
    ports_[k] = {convert, static_cast<int64_t>(dtype_size(wanted))};
    gather_[k] = convert != nullptr ? convert : find_convert(stored, wanted);
  }

  void blockwise(char* const* pointers, const int64_t* strides, int64_t n, const bool* direct) const {
    alignas(64) char blocks[N + 1][kBlock * 8];
    char* current[N + 1];
    for (int64_t begin = 0; begin < n; begin += kBlock) {
      const int64_t count = std::min(kBlock, n - begin);
      for (int k = 0; k <= N; ++k)
        current[k] = direct[k] ? pointers[k] + begin * ports_[k].item_size : blocks[k];
      for (int k = 1; k <= N; ++k) {
        const bool repeated = strides[k] == 0 && begin > 0;  // the block still holds the value
        if (direct[k] || repeated) continue;
        gather_[k](count, pointers[k] + begin * strides[k], strides[k], blocks[k], ports_[k].item_size);
      }
      dense(count, current);
      if (!direct[0])
        gather_[0](count, blocks[0], ports_[0].item_size, pointers[0] + begin * strides[0], strides[0]);
    }
  }

  Run run_;
  ElementwiseScalars scalars_;
  Port ports_[N + 1];
  ConvertRun gather_[N + 1];  // from or, for the result, to the caller's memory
};

template <int N>
void drive(ElementwiseOp op, Run run, DType type, int ndim, const int64_t* shape,
           const ElementwiseResult& dst, const ElementwiseOperand* src, const ElementwiseScalars& scalars) {
  const Driver<N> driver(op, run, type, dst, src, scalars);
  Operand operands[N + 1];
  operands[0] = {dst.data, dst.strides, static_cast<int64_t>(dtype_size(dst.dtype))};
  bool dense = is_dense(ndim, shape, dst.strides) && !driver.converts();
  for (int k = 0; k < N; ++k) {
    operands[k + 1] = {src[k].data, src[k].strides, static_cast<int64_t>(dtype_size(src[k].dtype))};
    dense = dense && is_dense(ndim, shape, src[k].strides);
  }
  const int64_t count = count_elements(ndim, shape);
  if (dense && count <= kElementwiseGrain) {  // small and simple: no loop nest to set up
    char* pointers[N + 1];
    for (int k = 0; k <= N; ++k) pointers[k] = const_cast<char*>(static_cast<const char*>(operands[k].data));
    driver.dense(count, pointers);
    return;
  }
  StridedLoop<N + 1>(ndim, shape, operands).run(kElementwiseGrain, driver);
}

}  // namespace

int elementwise_operands(ElementwiseOp op) { return traits(op).operands; }
bool elementwise_is_predicate(ElementwiseOp op) { return traits(op).predicate; }

bool elementwise_supports(ElementwiseOp op, DType dtype) {
  return find(op, dtype, Isa::Generic).run != nullptr;
}

void elementwise(ElementwiseOp op, DType dtype, int ndim, const int64_t* shape, const ElementwiseResult& dst,
                 const ElementwiseOperand* src, const ElementwiseScalars& scalars) {
  const auto [run, type] = find(op, dtype, active_isa());
  assert(run != nullptr);
  switch (traits(op).operands) {
    case 1: return drive<1>(op, run, type, ndim, shape, dst, src, scalars);
    case 2: return drive<2>(op, run, type, ndim, shape, dst, src, scalars);
    default: return drive<kMaxOperands>(op, run, type, ndim, shape, dst, src, scalars);
  }
}

bool has_zero(int ndim, const int64_t* shape, const ElementwiseOperand& src) {
  return dispatch_size(src.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::atomic<bool> found{false};
    const StridedLoop<1> loop(ndim, shape, {{src.data, src.strides, sizeof(T)}});
    loop.run(kElementwiseGrain, [&](char* const* pointers, const int64_t* strides, int64_t n) {
      bool any = false;
      for (int64_t i = 0; i < n; ++i) any |= *reinterpret_cast<const T*>(pointers[0] + i * strides[0]) == 0;
      if (any) found.store(true, std::memory_order_relaxed);
    });
    return found.load();
  });
}

}  // namespace rushlight::kernels

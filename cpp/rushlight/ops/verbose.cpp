#include "rushlight/ops/verbose.h"

#include <algorithm>
#include <cstdio>

#include "rushlight/base/check.h"
#include "rushlight/base/cpu.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/limits/limits.h"
#include "rushlight/tensor/shape.h"

namespace rushlight::ops {
namespace {

// Less than this may come from the caches, whose speed was not measured.
constexpr int64_t kBeyondCaches = 16 << 20;

std::string number(double value, const char* unit) {
  char text[48];
  std::snprintf(text, sizeof(text), "%.3g %s", value, unit);
  return text;
}

std::string duration(int64_t nanoseconds) {
  if (nanoseconds >= 1000000) return number(nanoseconds * 1e-6, "ms");
  return number(nanoseconds * 1e-3, "us");
}

// Operations a second of the fastest way to compute with this type.
double arithmetic(DType dtype, const kernels::MachineLimits& limits) {
  if (dtype == DType::Float64) return limits.fma / 2;
  if (dtype == DType::Float32) return std::max(limits.fma, limits.tiles / 6);  // see Note [Split products]
  return std::max(limits.fma, limits.tiles);
}

std::string operands(const std::vector<trace::Operand>& list) {
  std::string text;
  const char* type = "";
  for (const trace::Operand& operand : list) {
    if (!text.empty()) text += ", ";
    if (dtype_name(operand.dtype) != type) {
      type = dtype_name(operand.dtype);
      text += str(type, " ");
    }
    text += to_string(Dims(operand.sizes.begin(), operand.sizes.end()));
  }
  return text;
}

void print(const trace::Event& event) {
  if (event.kind == trace::Kind::Range) return;
  const std::string line = describe(event);
  std::fprintf(stderr, "rushlight: %*s%s\n", 2 * event.depth, "", line.c_str());
}

}  // namespace

double share_of_limit(const trace::Event& event) {
  if (event.outputs.empty() || event.duration <= 0) return 0.0;
  if (event.flop == 0 && event.bytes < kBeyondCaches) return 0.0;
  const kernels::MachineLimits limits = kernels::machine_limits();
  double least = event.flop / arithmetic(event.outputs[0].dtype, limits);
  if (event.bytes >= kBeyondCaches)
    least = std::max(least, event.bytes / (event.in_place ? limits.update : limits.stream));
  return least / (event.duration * 1e-9);
}

std::string describe(const trace::Event& event) {
  std::string text = str(event.name, ": ", duration(event.duration));
  if (event.flop > 0) text += str(", ", number(event.flop / event.duration, "GFLOP/s"));
  if (const double share = share_of_limit(event); share > 0)
    text += str(", ", number(100 * share, "% of limit"));
  if (!event.kernel.empty()) text += str(", kernel ", event.kernel);
  if (!event.refused.empty()) text += str(" (refused: ", event.refused, ")");
  if (!event.inputs.empty()) text += str(", ", operands(event.inputs));
  if (!event.outputs.empty()) text += str(" -> ", operands(event.outputs));
  return text;
}

void start_verbose() {
  const kernels::MachineLimits limits = kernels::machine_limits();
  std::fprintf(
      stderr,
      "rushlight: level %s, %d threads; limits: FMA %.0f GFLOP/s, bfloat16 tiles %.0f GFLOP/s, memory "
      "%.0f GB/s\n",
      isa_name(active_isa()), num_threads(), limits.fma * 1e-9, limits.tiles * 1e-9, limits.stream * 1e-9);
  trace::add_listener(&print);
}

}  // namespace rushlight::ops

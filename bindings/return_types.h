// Results with names, as rushlight.return_types defines them.
#pragma once

#include "casters.h"
#include "rushlight/ops/reduce.h"

namespace rushlight::bindings {

// rushlight.return_types.<name>(values, indices)
inline py::object named_result(const char* name, const ops::ValuesIndices& result) {
  return py::module_::import("rushlight.return_types").attr(name)(result.values, result.indices);
}

}  // namespace rushlight::bindings

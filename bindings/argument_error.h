// What a call with arguments of the wrong types or names says.
#pragma once

#include "casters.h"

namespace rushlight::bindings {

// Puts a wrapper around every function of `scope` (a module or a class) which, when no signature
// takes the given arguments, replaces pybind11's dump of signatures and values by a sentence naming
// the argument at fault. The way of a call that succeeds is one indirect call longer.
void explain_arguments(py::handle scope);

}  // namespace rushlight::bindings

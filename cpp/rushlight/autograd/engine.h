// Runs the graph backwards.
#pragma once

#include <vector>

#include "rushlight/autograd/node.h"

namespace rushlight::autograd {

struct BackwardOptions {
  bool retain_graph = false;  // keep saved tensors for another backward
  bool create_graph = false;  // record the backward itself
  bool accumulate = true;     // add to .grad of leaves (backward); false: only capture (grad)
};

// Sends `grads` (same number as `roots`; undefined means ones, for one-element roots only) through the
// graph. With `inputs`, only what leads to them is run and their gradients are returned in order
// (undefined where none arrived); with accumulate, gradients of leaf inputs are also added to .grad.
//
// Iterative: nodes run by falling sequence number once all gradients they wait for have arrived, in an
// order that does not depend on threads. Any number of threads may run backward at once.
// Throws RuntimeError: a root outside the graph, gradients of the wrong number, shape or dtype, saved
// tensors modified or freed; ValueError: an empty list of inputs.
std::vector<Tensor> run_backward(const std::vector<Tensor>& roots, const std::vector<Tensor>& grads,
                                 const BackwardOptions& options, const std::vector<Tensor>* inputs = nullptr);

// Anomaly mode: every node's result is checked for NaN; the error names the op and its source line.
bool anomaly_enabled();
void set_anomaly_enabled(bool enabled);

}  // namespace rushlight::autograd

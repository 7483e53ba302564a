// The parts of the extension module; each bind_*.cpp defines one.
#pragma once

#include "casters.h"

namespace rushlight::bindings {

void bind_dtype(py::module_& m);
void bind_runtime(py::module_& m);        // threads, memory, errors, source lines
void bind_config(py::module_& m);         // compiler, instruction-set level
void bind_autocast(py::module_& m);       // ops in a narrower type
void bind_profiler(py::module_& m);       // what the engine does, as it does it
TensorClass bind_tensor(py::module_& m);  // the class: geometry, memory, conversion to Python
void bind_autograd(py::module_& m, TensorClass& tensor);
void install_operators(PyHeapTypeObject* type);            // + - * / ** and their in-place forms
void bind_function(py::module_& m);                        // autograd.Function
void bind_interop(py::module_& m, TensorClass& tensor);    // NumPy, buffers, storages
void bind_construct(py::module_& m, TensorClass& tensor);  // tensor(), as_tensor()
void bind_dlpack(py::module_& m, TensorClass& tensor);

void bind_copy(Binder& b);
void bind_view(Binder& b);
void bind_join(Binder& b);
void bind_indexing(Binder& b);
void bind_arithmetic(Binder& b);
void bind_matmul(Binder& b);
void bind_conv(py::module_& m, Binder& b);
void bind_creation(Binder& b);
void bind_random(py::module_& m, Binder& b);
void bind_pointwise(Binder& b);  // functions of one tensor, comparison, selection, activations
void bind_reduce(Binder& b);
void bind_gather(Binder& b);  // and sorting
void bind_loss(Binder& b);
void bind_nn(Binder& b);

}  // namespace rushlight::bindings

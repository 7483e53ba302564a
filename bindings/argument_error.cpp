#include "argument_error.h"

namespace rushlight::bindings {
namespace {

using Dispatcher = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
// pybind11 gives all functions one and the same; kept when the first is wrapped.
Dispatcher pybind11_dispatcher = nullptr;

// The pending TypeError becomes that of rushlight._argument_errors, unless an op raised it itself.
void explain_pending(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  py::error_already_set error;
  const py::str text(error.value());
  try {
    const py::object explain = py::module_::import("rushlight._argument_errors").attr("explain");
    py::list given;
    for (Py_ssize_t i = 0; i < count; ++i) given.append(py::handle(args[i]));
    py::dict named;
    const Py_ssize_t named_count = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < named_count; ++i)
      named[PyTuple_GET_ITEM(names, i)] = py::handle(args[count + i]);
    const py::object better = explain(text, given, named);
    if (better.is_none())
      error.restore();
    else
      PyErr_SetObject(PyExc_TypeError, better.ptr());
  } catch (py::error_already_set& failed) {  // an argument's own __class__ or __len__ may raise
    failed.restore();
  }
}

PyObject* call(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  PyObject* result = pybind11_dispatcher(self, args, count, names);
  if (result == nullptr && PyErr_ExceptionMatches(PyExc_TypeError) != 0) explain_pending(args, count, names);
  return result;
}

void wrap(PyObject* function) {
  if (PyInstanceMethod_Check(function)) function = PyInstanceMethod_GET_FUNCTION(function);
  if (!PyCFunction_Check(function)) return;
  PyMethodDef* definition = reinterpret_cast<PyCFunctionObject*>(function)->m_ml;
  if (definition->ml_flags != (METH_FASTCALL | METH_KEYWORDS)) return;
  const auto method = reinterpret_cast<Dispatcher>(reinterpret_cast<void (*)()>(definition->ml_meth));
  if (method == call) return;
  if (pybind11_dispatcher == nullptr) pybind11_dispatcher = method;
  if (method != pybind11_dispatcher) return;
  definition->ml_meth = reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call));
}

}  // namespace

void explain_arguments(py::handle scope) {
  for (const auto& [name, value] : py::dict(scope.attr("__dict__"))) wrap(value.ptr());
}

}  // namespace rushlight::bindings

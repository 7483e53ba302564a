// What surrounds the ops: errors, the GIL, threads, memory, the user's source lines.
#include "bind.h"

#include <frameobject.h>

#include <cstring>
#include <unordered_map>

#include "rushlight/base/cpu.h"
#include "rushlight/base/parallel.h"
#include "rushlight/base/source_location.h"
#include "rushlight/ops/matmul.h"
#include "rushlight/tensor/allocator.h"

namespace rushlight::bindings {
namespace {

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const ValueError& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const TypeError& error) {
    PyErr_SetString(PyExc_TypeError, error.what());
  } catch (const IndexError& error) {
    PyErr_SetString(PyExc_IndexError, error.what());
  } catch (const NotImplementedError& error) {
    PyErr_SetString(PyExc_NotImplementedError, error.what());
  } catch (const Error& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
}

}  // namespace

void set_python_error() noexcept {
  try {
    translate(std::current_exception());
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
}

namespace {

void* release_gil() { return PyGILState_Check() != 0 ? PyEval_SaveThread() : nullptr; }
void take_gil(void* state) { PyEval_RestoreThread(static_cast<PyThreadState*>(state)); }

// Code objects seen so far, kept alive for good so that a SourceLocation is two plain words; the
// value tells whether the code is rushlight's own.
std::unordered_map<PyCodeObject*, bool>& known_code() {
  static auto* map = new std::unordered_map<PyCodeObject*, bool>;
  return *map;
}

std::string& package_folder() {
  static auto* folder = new std::string;
  return *folder;
}

bool is_ours(PyCodeObject* code) {
  static PyCodeObject* last = nullptr;  // guarded by the GIL
  static bool last_ours = false;
  if (code == last) return last_ours;
  auto [entry, fresh] = known_code().try_emplace(code, false);
  if (fresh) {
    Py_INCREF(code);
    const char* file = PyUnicode_AsUTF8(code->co_filename);
    if (file == nullptr) PyErr_Clear();
    const std::string& folder = package_folder();
    entry->second =
        file != nullptr && !folder.empty() && std::strncmp(file, folder.c_str(), folder.size()) == 0;
  }
  last = code;
  last_ours = entry->second;
  return last_ours;
}

SourceLocation capture() {
  if (PyGILState_Check() == 0) return {};
  PyFrameObject* frame = PyEval_GetFrame();  // borrowed
  Py_XINCREF(frame);
  SourceLocation found;
  while (frame != nullptr) {
    PyCodeObject* code = PyFrame_GetCode(frame);
    const bool ours = is_ours(code);
    Py_DECREF(code);
    if (!ours) {
#if PY_VERSION_HEX >= 0x030B0000
      found = {code, PyFrame_GetLasti(frame)};
#else
      found = {code, -1 - PyFrame_GetLineNumber(frame)};
#endif
      break;
    }
    PyFrameObject* back = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = back;
  }
  Py_XDECREF(frame);
  return found;
}

std::string describe(const SourceLocation& location) {
  const py::gil_scoped_acquire gil;
  auto* code = static_cast<PyCodeObject*>(const_cast<void*>(location.code));
  const int line = location.position < 0 ? -1 - location.position : PyCode_Addr2Line(code, location.position);
  const std::string file = py::str(py::handle(code->co_filename));
  const std::string function = py::str(py::handle(code->co_name));
  std::string text = str(file, ":", line, ", in ", function);
  const py::str source = py::module_::import("linecache").attr("getline")(file, line).attr("strip")();
  if (py::len(source) > 0) text += str(": `", std::string(source), "`");
  return text;
}

// In the order of ops::MatmulPrecision.
constexpr const char* kPrecisions[] = {"highest", "high", "medium"};

void set_precision(const py::object& precision) {
  RUSHLIGHT_CHECK(py::isinstance<py::str>(precision), "set_float32_matmul_precision expects a str, but got ",
                  Py_TYPE(precision.ptr())->tp_name);
  const auto word = precision.cast<std::string>();
  for (int i = 0; i < 3; ++i)
    if (word == kPrecisions[i])
      return ops::set_float32_matmul_precision(static_cast<ops::MatmulPrecision>(i));
  const std::string text = str("set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got '",
                               word, "'; nothing was changed");
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) != 0) throw py::error_already_set();
}

}  // namespace

void bind_runtime(py::module_& m) {
  py::register_exception_translator(translate);
  HeavyWork::install(release_gil, take_gil);
  SourceLocation::capture_hook = capture;
  SourceLocation::describe_hook = describe;
  m.def("_set_package_folder", [](const std::string& folder) { package_folder() = folder; });

  m.def("get_num_threads", [] { return num_threads(); }, "Number of threads an op may use.");
  m.def(
      "set_num_threads", [](int64_t count) { set_num_threads(count); }, py::arg("num_threads"),
      "Sets the number of threads an op may use.\n\nRaises:\n    ValueError: unless it is 1 or more.");
  m.def(
      "get_float32_matmul_precision",
      [] { return kPrecisions[static_cast<int>(ops::get_float32_matmul_precision())]; },
      "``'highest'``, ``'high'`` or ``'medium'``: see set_float32_matmul_precision.\n\n"
      "Source:\n    torch.get_float32_matmul_precision");
  m.def("set_float32_matmul_precision", &set_precision, py::arg("precision"),
        "Sets how exact float32 matrix products and convolutions are, for all threads.\n\n"
        "It matters on CPUs with bfloat16 tiles (AMX); elsewhere all are float32.\n\n"
        "Args:\n    precision: ``'highest'`` (default) is float32; ``'high'`` keeps 16 bits of every factor, "
        "``'medium'`` the 8 bits\n        of bfloat16, both summed in float32. As in PyTorch, another word "
        "changes nothing and warns.\n\n"
        "Raises:\n    RuntimeError: unless it is a str.\n\n"
        "Source:\n    torch.set_float32_matmul_precision");
  m.def(
      "memory_stats",
      [] {
        const MemoryStats stats = memory_stats();
        py::dict result;
        result["allocated_bytes"] = stats.allocated_bytes;
        result["peak_allocated_bytes"] = stats.peak_allocated_bytes;
        result["cached_bytes"] = stats.cached_bytes;
        result["reserved_bytes"] = stats.allocated_bytes + stats.cached_bytes;
        result["peak_reserved_bytes"] = stats.peak_reserved_bytes;
        result["allocation_count"] = stats.allocation_count;
        return result;
      },
      "Memory of tensors, in bytes: allocated (held now) and its peak, cached (freed, kept for reuse), "
      "reserved\n"
      "(both) and its peak; and the number of allocations so far.");
  m.def("reset_peak_memory_stats", &reset_peak_memory_stats, "Starts the maximum anew.");
  m.def("empty_cache", &empty_cache, "Gives memory kept for reuse back to the system.");
}

}  // namespace rushlight::bindings

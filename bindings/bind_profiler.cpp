// What rushlight.profiler is made of: collected events, and ranges named by the user.
#include <pybind11/stl.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "bind.h"
#include "rushlight/base/trace.h"
#include "rushlight/ops/verbose.h"

namespace rushlight::bindings {
namespace {

std::mutex collected_mutex;
std::vector<trace::Event>& collected() {
  static auto* events = new std::vector<trace::Event>;
  return *events;
}

void collect(const trace::Event& event) {
  const std::lock_guard<std::mutex> lock(collected_mutex);
  collected().push_back(event);
}

// The calling thread's Python frames, innermost first, if it is in Python: "file(line): function".
std::vector<std::string> python_stack() {
  std::vector<std::string> lines;
  if (!PyGILState_Check()) return lines;
  PyFrameObject* frame = PyThreadState_GetFrame(PyThreadState_Get());
  while (frame != nullptr) {
    const auto code = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(PyFrame_GetCode(frame)));
    lines.push_back(py::str("{}({}): {}")
                        .format(code.attr("co_filename"), PyFrame_GetLineNumber(frame), code.attr("co_name"))
                        .cast<std::string>());
    PyFrameObject* caller = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = caller;
  }
  return lines;
}

py::list operands(const std::vector<trace::Operand>& list) {
  py::list result;
  for (const trace::Operand& operand : list) {
    py::tuple sizes(operand.sizes.size());
    for (size_t i = 0; i < operand.sizes.size(); ++i) sizes[i] = py::int_(operand.sizes[i]);
    result.append(py::make_tuple(dtype_name(operand.dtype), sizes));
  }
  return result;
}

py::dict as_dict(const trace::Event& event) {
  static const char* const kinds[] = {"op", "backward", "range"};
  py::dict fields;
  fields["name"] = event.name;
  fields["kind"] = kinds[static_cast<int>(event.kind)];
  fields["thread"] = event.thread;
  fields["depth"] = event.depth;
  fields["start_ns"] = event.start;
  fields["duration_ns"] = event.duration;
  fields["self_ns"] = event.duration - event.inside;
  fields["memory"] = event.memory;
  fields["self_memory"] = event.memory - event.memory_inside;
  fields["stack"] = event.stack;
  fields["inputs"] = operands(event.inputs);
  fields["outputs"] = operands(event.outputs);
  fields["bytes"] = event.bytes;
  fields["flops"] = event.flop;
  fields["kernel"] = event.kernel;
  fields["refused"] = event.refused;
  fields["share_of_limit"] = ops::share_of_limit(event);
  return fields;
}

// A named stretch of the user's program, from construction to end().
class Range {
 public:
  explicit Range(const std::string& name)
      : scope_(std::make_unique<trace::Scope>(name.c_str(), trace::Kind::Range)) {}
  ~Range() { end(); }
  void end() {
    if (std::this_thread::get_id() == thread_)
      scope_.reset();
    else
      (void)scope_.release();  // its own thread still counts it as open: it stays so, unseen
  }

 private:
  std::unique_ptr<trace::Scope> scope_;
  std::thread::id thread_ = std::this_thread::get_id();
};

bool asked_for_verbose() {
  const char* value = std::getenv("RUSHLIGHT_VERBOSE");
  return value != nullptr && *value != '\0' && std::strcmp(value, "0") != 0;
}

}  // namespace

void bind_profiler(py::module_& m) {
  py::class_<Range>(m, "_ProfilerRange", "A named stretch of the user's program, until end().")
      .def(py::init<const std::string&>(), py::arg("name"))
      .def("end", &Range::end, "Ends it; a second call does nothing.");
  m.def(
      "_profiler_start",
      [](bool with_stack) {
        trace::set_stack_source(with_stack ? &python_stack : nullptr);
        trace::add_listener(&collect);
      },
      py::arg("with_stack"),
      "Starts to collect events, with the Python frames they are called from if asked.");
  m.def(
      "_profiler_stop",
      [] {
        trace::remove_listener(&collect);
        trace::set_stack_source(nullptr);
        std::vector<trace::Event> events;
        {
          const std::lock_guard<std::mutex> lock(collected_mutex);
          events.swap(collected());
        }
        py::list result;
        for (const trace::Event& event : events) result.append(as_dict(event));
        return result;
      },
      "Stops, and returns the events in the order in which they ended.");
  if (asked_for_verbose()) ops::start_verbose();
}

}  // namespace rushlight::bindings

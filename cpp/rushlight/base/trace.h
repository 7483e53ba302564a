// What the engine does, as it does it: the one point where RUSHLIGHT_VERBOSE and rushlight.profiler look in.
//
// Every call of an op from Python and every node of a backward pass opens a Scope; what runs inside it adds
// to it what it knows (the kernel it chose, why not a faster one, the operations to do). While nobody listens
// a scope costs one load and one branch that is never taken.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "rushlight/base/dtype.h"

namespace rushlight::trace {

enum class Kind : uint8_t {
  Op,
  Backward,
  Range
};  // called from Python; a node of the graph; named by the user

struct Operand {
  DType dtype;
  std::vector<int64_t> sizes;
};

struct Event {
  std::string name;
  Kind kind = Kind::Op;
  int thread = 0;             // 1, 2, ... as threads were first seen
  int depth = 0;              // scopes of its thread that enclose it
  int64_t start = 0;          // nanoseconds of a steady clock
  int64_t duration = 0;       // nanoseconds,
  int64_t inside = 0;         // of which in the scopes that it encloses
  int64_t memory = 0;         // bytes of tensors that its thread allocated meanwhile, less those it freed,
  int64_t memory_inside = 0;  // of which in the scopes that it encloses
  std::vector<std::string> stack;  // where the caller is, innermost first; empty unless asked for
  std::vector<Operand> inputs, outputs;
  int64_t bytes = 0;      // read and written, if every operand is touched once
  bool in_place = false;  // an input was written
  double flop = 0;        // operations that kernels said they would do; a multiply-add is two
  std::string kernel;     // "" where a family has one kernel a level
  std::string refused;    // why a faster kernel was not taken
};

// Called at the end of every scope, on its thread; must not throw.
using Listener = void (*)(const Event&);
void add_listener(Listener listener);
void remove_listener(Listener listener);

// What tells a scope its stack as it opens; null: nobody. Called on the scope's thread, without locks.
using StackSource = std::vector<std::string> (*)();
void set_stack_source(StackSource source);

namespace detail {
extern std::atomic<bool> listening;
}
inline bool on() { return detail::listening.load(std::memory_order_relaxed); }

// On the thread that opened it; closed there too.
class Scope {
 public:
  Scope(const char* name, Kind kind) {
    if (on()) open(name, kind);
  }
  ~Scope() {
    if (event_ != nullptr) close();
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  // Null if nobody listens.
  Event* event() const { return event_; }

  // The innermost open scope of this thread, or null. Notes of work on several threads are made by the
  // calling one.
  static Scope* innermost();

 private:
  void open(const char* name, Kind kind);
  void leave() noexcept;
  void close() noexcept;

  Event* event_ = nullptr;
  Scope* outer_ = nullptr;
};

namespace detail {
void append(std::string Event::*notes, const char* note);
void add_flop(double operations);
void add_memory(int64_t bytes);
}  // namespace detail

// Notes to the innermost scope, for kernels at the point where they choose; the same note counts once.
inline void note_kernel(const char* name) {
  if (on()) detail::append(&Event::kernel, name);
}
inline void note_refused(const char* reason) {
  if (on()) detail::append(&Event::refused, reason);
}
inline void note_flop(double operations) {
  if (on()) detail::add_flop(operations);
}
// The allocator's: `bytes` more on this thread, fewer if negative.
inline void note_memory(int64_t bytes) {
  if (on()) detail::add_memory(bytes);
}

}  // namespace rushlight::trace

// The user's source line that ran an op, kept so that autograd errors can name it.
#pragma once

#include <string>

namespace rushlight {

// Two words, trivially copied: `code` is an object the binding layer keeps alive for good,
// `position` an instruction in it. Null when no front end runs (C++ tests, engine threads).
struct SourceLocation {
  const void* code = nullptr;
  int position = 0;

  // The innermost line outside our own package; costs a few dozen nanoseconds.
  static SourceLocation capture() { return capture_hook != nullptr ? capture_hook() : SourceLocation{}; }
  // "train.py:12, in step: `y.mul_(2)`", or "" when unknown.
  std::string describe() const { return code != nullptr ? describe_hook(*this) : std::string(); }

  static SourceLocation (*capture_hook)();
  static std::string (*describe_hook)(const SourceLocation&);
};

inline SourceLocation (*SourceLocation::capture_hook)() = nullptr;
inline std::string (*SourceLocation::describe_hook)(const SourceLocation&) = nullptr;

}  // namespace rushlight

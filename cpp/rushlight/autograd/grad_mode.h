// Whether ops on this thread record a graph.
#pragma once

namespace rushlight::autograd {

struct GradMode {
  bool enabled = true;
  bool inference = false;
};

inline GradMode& grad_mode() {
  static thread_local GradMode mode;
  return mode;
}

// Sets the mode for a scope; the old one comes back at its end.
class GradModeGuard {
 public:
  explicit GradModeGuard(bool enabled) : saved_(grad_mode()) { grad_mode().enabled = enabled; }
  ~GradModeGuard() { grad_mode() = saved_; }
  GradModeGuard(const GradModeGuard&) = delete;
  GradModeGuard& operator=(const GradModeGuard&) = delete;

 private:
  GradMode saved_;
};

}  // namespace rushlight::autograd

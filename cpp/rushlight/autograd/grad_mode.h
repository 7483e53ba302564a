// Whether ops on this thread record a graph.
#pragma once

namespace rushlight::autograd {

// inference_mode (tensor.h) is the other switch; it implies that this one is off.
inline bool& grad_enabled() {
  static thread_local bool enabled = true;
  return enabled;
}

// Sets the mode for a scope; the old one comes back at its end.
class GradModeGuard {
 public:
  explicit GradModeGuard(bool enabled) : saved_(grad_enabled()) { grad_enabled() = enabled; }
  ~GradModeGuard() { grad_enabled() = saved_; }
  GradModeGuard(const GradModeGuard&) = delete;
  GradModeGuard& operator=(const GradModeGuard&) = delete;

 private:
  bool saved_;
};

}  // namespace rushlight::autograd

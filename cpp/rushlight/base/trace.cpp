#include "rushlight/base/trace.h"

#include <algorithm>
#include <chrono>
#include <mutex>

namespace rushlight::trace {
namespace {

std::mutex listeners_mutex;
std::vector<Listener>& listeners() {
  static auto* list = new std::vector<Listener>;  // scopes may close while the process ends
  return *list;
}

std::atomic<StackSource> stack_source{nullptr};

thread_local Scope* innermost_scope = nullptr;

int thread_number() {
  static std::atomic<int> count{0};
  static thread_local const int number = ++count;
  return number;
}

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::atomic<bool> detail::listening{false};

void add_listener(Listener listener) {
  const std::lock_guard<std::mutex> lock(listeners_mutex);
  listeners().push_back(listener);
  detail::listening.store(true);
}

void remove_listener(Listener listener) {
  const std::lock_guard<std::mutex> lock(listeners_mutex);
  auto& list = listeners();
  list.erase(std::remove(list.begin(), list.end(), listener), list.end());
  detail::listening.store(!list.empty());
}

void set_stack_source(StackSource source) { stack_source.store(source); }

Scope* Scope::innermost() { return innermost_scope; }

void Scope::open(const char* name, Kind kind) {
  event_ = new Event;
  event_->name = name;
  event_->kind = kind;
  event_->thread = thread_number();
  if (const StackSource source = stack_source.load()) event_->stack = source();
  outer_ = innermost_scope;
  event_->depth = outer_ == nullptr ? 0 : outer_->event_->depth + 1;
  innermost_scope = this;
  event_->start = now();
}

// Usually the innermost; the user's ranges may end in any order.
void Scope::leave() noexcept {
  Scope** link = &innermost_scope;
  while (*link != nullptr && *link != this) link = &(*link)->outer_;
  if (*link == this) *link = outer_;
}

void Scope::close() noexcept {
  event_->duration = now() - event_->start;
  leave();
  event_->memory += event_->memory_inside;
  if (outer_ != nullptr) {
    outer_->event_->inside += event_->duration;
    outer_->event_->memory_inside += event_->memory;
  }
  {
    const std::lock_guard<std::mutex> lock(listeners_mutex);
    for (const Listener listener : listeners()) listener(*event_);
  }
  delete event_;
}

void detail::append(std::string Event::*member, const char* note) {
  Scope* scope = Scope::innermost();
  if (scope == nullptr) return;
  std::string& notes = scope->event()->*member;
  if (notes.find(note) != std::string::npos) return;  // a gradient in several phases takes a kernel for each
  if (!notes.empty()) notes += ", ";
  notes += note;
}

void detail::add_flop(double operations) {
  if (Scope* scope = Scope::innermost()) scope->event()->flop += operations;
}

void detail::add_memory(int64_t bytes) {
  if (Scope* scope = Scope::innermost()) scope->event()->memory += bytes;
}

}  // namespace rushlight::trace

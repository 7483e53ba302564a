// Errors. RUSHLIGHT_CHECK* report a user's mistake with the values in it; RUSHLIGHT_INTERNAL_ASSERT ours.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace rushlight {

// Becomes RuntimeError in Python; the derived classes become the exceptions they are named after.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
class ValueError : public Error {
 public:
  using Error::Error;
};
class TypeError : public Error {
 public:
  using Error::Error;
};
class IndexError : public Error {
 public:
  using Error::Error;
};
class NotImplementedError : public Error {
 public:
  using Error::Error;
};

// Joins its arguments as text.
template <class... Args>
std::string str(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

}  // namespace rushlight

#define RUSHLIGHT_CHECK_AS(type, condition, ...)                              \
  do {                                                                        \
    if (!(condition)) throw ::rushlight::type(::rushlight::str(__VA_ARGS__)); \
  } while (false)
#define RUSHLIGHT_CHECK(condition, ...) RUSHLIGHT_CHECK_AS(Error, condition, __VA_ARGS__)
#define RUSHLIGHT_CHECK_VALUE(condition, ...) RUSHLIGHT_CHECK_AS(ValueError, condition, __VA_ARGS__)
#define RUSHLIGHT_CHECK_TYPE(condition, ...) RUSHLIGHT_CHECK_AS(TypeError, condition, __VA_ARGS__)
#define RUSHLIGHT_CHECK_INDEX(condition, ...) RUSHLIGHT_CHECK_AS(IndexError, condition, __VA_ARGS__)
#define RUSHLIGHT_INTERNAL_ASSERT(condition, ...)                                                           \
  do {                                                                                                      \
    if (!(condition))                                                                                       \
      throw ::rushlight::Error(                                                                             \
          ::rushlight::str("internal error in rushlight (please report): ", #condition, " ", __VA_ARGS__)); \
  } while (false)

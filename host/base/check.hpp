// Errors and checks. Kinds by who can do something about them:
//   InputError   the user's data, flags or files are wrong; main() prints the one line and exits 2.
//   DeviceError  the device has no memory left, or it or its driver has failed: another size or
//                another device may do; main() does the same.
//   Error        a broken invariant or a failed library call; carries file:line of our source.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#if defined(__CUDACC__)
#define MGQE_HD __host__ __device__ inline
#else
#define MGQE_HD inline
#endif

namespace mgqe {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class InputError : public Error {
 public:
  using Error::Error;
};

class DeviceError : public Error {
 public:
  using Error::Error;
};

namespace detail {

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const Parts&... parts) {
  throw Error(concat(file, ":", line, ": check failed: ", condition, ": ", parts...));
}

}  // namespace detail

/// Throws InputError with the concatenation of `parts`: what is wrong, where, what would be right.
template <class... Parts>
[[noreturn]] void input_error(const Parts&... parts) {
  throw InputError(detail::concat(parts...));
}

}  // namespace mgqe

/// Aborts the operation with file:line, the condition, and the values named after it.
#define MGQE_CHECK(condition, ...)                                                             \
  do {                                                                                         \
    if (!(condition))                                                                          \
      ::mgqe::detail::check_failed(__FILE__, __LINE__, #condition __VA_OPT__(, ) __VA_ARGS__); \
  } while (0)

/// The same in debug builds alone: what a caller must see to and a release does not look at.
#ifdef NDEBUG
#define MGQE_DEBUG_CHECK(condition, ...) static_cast<void>(0)
#else
#define MGQE_DEBUG_CHECK(condition, ...) MGQE_CHECK(condition, __VA_ARGS__)
#endif

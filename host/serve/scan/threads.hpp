// Threads of one call: none is kept, and no pool is made where a library is loaded.
#pragma once

#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace mgqe {

/// Calls task() on the calling thread and `threads` - 1 others, fewer where the system has no more;
/// tasks claim their work from something they share. What one throws is thrown when all have ended.
template <class Task>
void on_threads(int64_t threads, const Task& task) {
  if (threads <= 1) return task();
  std::mutex mutex;
  std::exception_ptr thrown;
  const auto guarded = [&] {
    try {
      task();
    } catch (...) {
      const std::lock_guard lock(mutex);
      thrown = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  others.reserve(static_cast<size_t>(threads - 1));
  try {
    while (static_cast<int64_t>(others.size()) < threads - 1) others.emplace_back(guarded);
  } catch (const std::system_error&) {  // the others will do it all
  }
  guarded();
  for (std::thread& other : others) other.join();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace mgqe

// The connections there are, a thread each. One more than there is room for takes the place of the
// one that has been sending, or taking its answer, the longest: whoever is slow makes way.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace mgqe {

class Connections {
 public:
  explicit Connections(size_t most) : most_(most) {}

  /// One of them, as long as it lives.
  class Place {
   public:
    Place(Connections& owner, int socket);
    Place(const Place&) = delete;
    ~Place();
    /// Whether the client is waited for, from now on; else it waits for us.
    void set_waiting(bool waiting);

   private:
    friend class Connections;
    Connections& owner_;
    int socket_;
    bool waiting_ = true;
    std::chrono::steady_clock::time_point since_;
    std::list<Place*>::iterator self_;
  };

  /// Runs a connection on a thread of its own, once there is room for it.
  void run(std::function<void()> connection);
  /// Waits for all of them.
  void join();

 private:
  void work();
  void end_slowest();

  size_t most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Place*> places_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  size_t busy_ = 0;  // threads with a connection, and those queued
  bool ending_ = false;
};

}  // namespace mgqe

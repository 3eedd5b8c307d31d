#include "experiments/serving/http/connections.hpp"

#include <sys/socket.h>

namespace mgqe {

Connections::Place::Place(Connections& owner, int socket)
    : owner_(owner), socket_(socket), since_(std::chrono::steady_clock::now()) {
  const std::lock_guard lock(owner_.mutex_);
  self_ = owner_.places_.insert(owner_.places_.end(), this);
}

/// Before the socket is closed, so that none that came after is taken for it.
Connections::Place::~Place() {
  const std::lock_guard lock(owner_.mutex_);
  owner_.places_.erase(self_);
}

void Connections::Place::set_waiting(bool waiting) {
  const std::lock_guard lock(owner_.mutex_);
  waiting_ = waiting;
  since_ = std::chrono::steady_clock::now();
}

void Connections::end_slowest() {
  Place* slowest = nullptr;
  for (Place* place : places_)
    if (place->waiting_ && (slowest == nullptr || place->since_ < slowest->since_)) slowest = place;
  if (slowest == nullptr) return;  // all are being answered: one will be done soon
  ::shutdown(slowest->socket_, SHUT_RDWR);
  slowest->waiting_ = false;
}

void Connections::run(std::function<void()> connection) {
  constexpr auto kPatience = std::chrono::milliseconds(20);
  std::unique_lock lock(mutex_);
  while (busy_ >= most_) {
    end_slowest();
    changed_.wait_for(lock, kPatience, [&] { return busy_ < most_; });
  }
  ++busy_;
  queue_.push_back(std::move(connection));
  if (busy_ > threads_.size()) threads_.emplace_back([this] { work(); });
  lock.unlock();
  changed_.notify_all();
}

void Connections::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const std::function<void()> connection = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    connection();
    lock.lock();
    --busy_;
    changed_.notify_all();
  }
}

void Connections::join() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace mgqe

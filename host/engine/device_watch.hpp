// DeviceWatch: what a Communicator of several ranks knows of the host's waits for its device, so
// that a rank whose device never gets done is named, and none waits for an exchange that has
// failed.
#pragma once

#include <functional>
#include <string>

namespace mgqe {

class DeviceWatch {
 public:
  virtual ~DeviceWatch() = default;

  /// The host waits for the device, from one to the other.
  virtual void begin_device_wait() = 0;
  virtual void end_device_wait() noexcept = 0;

  /// The device has come further since the wait began, or since this was said.
  virtual void device_got_on() {}
  /// Whether it has come to an exchange, and waits there for other ranks.
  virtual void device_waits_for_ranks(bool /*waits*/) {}

  /// Called now and then while the host waits for other ranks' hosts, which ends the job where it
  /// says what has failed on the device: those may be waiting for just that.
  virtual void ask_while_waiting(std::function<std::string()> /*failure*/) {}

  /// Called now and then during a wait: sees how far the device is. DeviceError where an exchange
  /// has failed, which then ends on the device too.
  virtual void check_device() {}
  /// Nothing of exchanges is under way on the device.
  virtual bool exchanges_are_done() noexcept { return true; }
  /// What waits on the device for other ranks ends there: nobody reads it any more.
  virtual void give_up_exchanges() noexcept {}
};

}  // namespace mgqe

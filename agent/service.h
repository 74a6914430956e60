#pragma once

// The daemon as a service of systemd: what it tells the service manager (sd_notify(3)) and the
// journal. Started by hand it tells nobody, and logs to stderr.

#include <chrono>
#include <string>

namespace vxtap {

// To the journal, each line with its level, if that is where stderr leads; otherwise to stderr.
void set_up_log();

// For people who wait for the daemon: the reason for which it does not start.
void tell_failure(const std::string& message);

class Service {
 public:
  Service() = default;
  ~Service();  // says that the daemon is stopping
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void ready(const std::string& status);
  // Until ready() is called again.
  void reloading();
  // To be called every second from the event loop, so that a loop that hangs is noticed: pets the
  // watchdog in time, and passes on a status that has changed.
  void tick(const std::string& status);

 private:
  using Clock = std::chrono::steady_clock;
  std::string status_;
  Clock::time_point petted_ = Clock::now();
};

}  // namespace vxtap

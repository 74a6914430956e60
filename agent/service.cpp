#include "agent/service.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

namespace vxtap {
namespace {

// systemd.exec(5), JOURNAL_STREAM: which file stderr is, if it leads to the journal. A child of a
// service whose stderr leads elsewhere inherits the variable too.
bool logs_to_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat file {};
  return stream != nullptr && fstat(STDERR_FILENO, &file) == 0 &&
         stream == fmt::format("{}:{}", file.st_dev, file.st_ino);
}

// Half of what systemd waits, or zero if it does not.
std::chrono::microseconds watchdog_interval() {
  uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) <= 0) return {};
  return std::chrono::microseconds(microseconds / 2);
}

}  // namespace

void set_up_log() {
  spdlog::set_default_logger(logs_to_journal() ? spdlog::systemd_logger_st("vxtapd")
                                               : spdlog::stderr_color_st("vxtapd"));
}

void tell_failure(const std::string& message) {
  if (logs_to_journal()) {
    spdlog::error("{}", message);
  } else {
    std::cerr << "vxtapd: " << message << '\n';
  }
}

Service::~Service() {
  sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
}

void Service::ready(const std::string& status) {
  status_ = status;
  sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void Service::reloading() {
  sd_notify(0, "RELOADING=1\nSTATUS=Reading the settings");
}

void Service::tick(const std::string& status) {
  if (status != status_) sd_notify(0, ("STATUS=" + status).c_str());
  status_ = status;
  const auto interval = watchdog_interval();
  if (interval.count() == 0 || Clock::now() - petted_ < interval) return;
  petted_ = Clock::now();
  sd_notify(0, "WATCHDOG=1");
}

}  // namespace vxtap

#include "agent/settings_watch.h"

#include <spdlog/spdlog.h>

#include <csignal>
#include <utility>

#include "agent/error.h"

namespace vxtap {

SettingsWatch::SettingsWatch(boost::asio::io_context& loop, Settings settings, Callbacks callbacks)
    : settings_(std::move(settings)), callbacks_(std::move(callbacks)), signals_(loop, SIGHUP) {
  wait();
}

void SettingsWatch::wait() {
  signals_.async_wait([this](const boost::system::error_code& error, int) {
    if (error) return;
    callbacks_.begin();
    reload();
    callbacks_.end();
    wait();
  });
}

void SettingsWatch::reload() {
  try {
    const Settings settings = callbacks_.read();
    callbacks_.use(settings);
    // Held against what the daemon was started with: what is changed back needs no restart.
    for (const auto& name : need_restart(settings_, settings)) {
      spdlog::warn("the setting {} has changed: it is used from the next start on", name);
    }
    spdlog::info("read the settings again");
  } catch (const Error& error) {
    spdlog::error("the settings stay as they were: {}", describe(error));
  }
}

}  // namespace vxtap

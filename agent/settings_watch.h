#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>

#include "agent/settings.h"

namespace vxtap {

// Reads the settings again at SIGHUP. What cannot be read, or be used before the next start, is
// said in the log.
class SettingsWatch {
 public:
  struct Callbacks {
    std::function<Settings()> read;  // may throw Error
    std::function<void(const Settings& settings)> use;
    std::function<void()> begin, end;  // around it all
  };

  SettingsWatch(boost::asio::io_context& loop, Settings settings, Callbacks callbacks);

 private:
  void wait();
  void reload();

  Settings settings_;
  Callbacks callbacks_;
  boost::asio::signal_set signals_;
};

}  // namespace vxtap

// vxtapd: options, event loop, and the way out.

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <iostream>
#include <list>
#include <optional>

#include "agent/agent.h"
#include "agent/api/http_server.h"
#include "agent/api/operation.h"
#include "agent/api/router.h"
#include "agent/error.h"
#include "agent/kernel/icmp_errors.h"
#include "agent/kernel/network.h"
#include "agent/model/document.h"
#include "agent/settings.h"

namespace vxtap {
namespace {

namespace asio = boost::asio;

constexpr int kFailed = 1;
constexpr int kInvalid = 2;

struct Options {
  std::string config = "/etc/vxtap/vxtapd.json";
  bool config_given = false;
  std::string socket = "/run/vxtap/vxtapd.sock";
  std::string state_directory = "/var/lib/vxtap";
  std::string apply;
  std::string log_level = "info";
};

// Calls the agent when the network has changed. Changes come in bursts, so it waits for a moment
// after the first of them.
class NetworkWatch {
 public:
  NetworkWatch(asio::io_context& loop, Agent& agent)
      : agent_(agent), descriptor_(loop, network_.monitor_fd()), timer_(loop) {
    wait();
  }
  ~NetworkWatch() { descriptor_.release(); }  // the descriptor belongs to network_
  NetworkWatch(const NetworkWatch&) = delete;
  NetworkWatch& operator=(const NetworkWatch&) = delete;

 private:
  static constexpr std::chrono::milliseconds kBurst{20};

  void wait() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this](const boost::system::error_code& error) {
                             if (error) return;
                             timer_.expires_after(kBurst);
                             timer_.async_wait([this](const boost::system::error_code& stopped) {
                               if (stopped) return;
                               if (network_.drain_monitor()) agent_.on_network_change();
                               wait();
                             });
                           });
  }

  Agent& agent_;
  Network network_;
  asio::posix::stream_descriptor descriptor_;
  asio::steady_timer timer_;
};

// Tells the agent what collectors, and routers on the way to them, answer.
class CollectorWatch {
 public:
  CollectorWatch(asio::io_context& loop, Agent& agent)
      : agent_(agent), errors_(agent.settings().tunnel_port) {
    for (const int fd : errors_.sockets()) {
      if (fd >= 0) wait(descriptors_.emplace_back(loop, fd));
    }
  }
  ~CollectorWatch() {
    for (auto& descriptor : descriptors_) descriptor.release();  // they belong to errors_
  }
  CollectorWatch(const CollectorWatch&) = delete;
  CollectorWatch& operator=(const CollectorWatch&) = delete;

 private:
  void wait(asio::posix::stream_descriptor& descriptor) {
    descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                          [this, &descriptor](const boost::system::error_code& error) {
                            if (error) return;
                            bool narrower = false;
                            errors_.drain([&](const Address& collector, bool too_big) {
                              agent_.on_refusal(collector);
                              narrower = narrower || too_big;
                            });
                            if (narrower) agent_.on_network_change();
                            wait(descriptor);
                          });
  }

  Agent& agent_;
  IcmpErrors errors_;
  std::list<asio::posix::stream_descriptor> descriptors_;
};

class Ticker {
 public:
  Ticker(asio::io_context& loop, Agent& agent) : agent_(agent), timer_(loop) { wait(); }

 private:
  void wait() {
    timer_.expires_after(std::chrono::seconds(1));
    timer_.async_wait([this](const boost::system::error_code& stopped) {
      if (stopped) return;
      agent_.on_tick();
      wait();
    });
  }

  Agent& agent_;
  asio::steady_timer timer_;
};

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  Options options;
  CLI::App app{"vxtapd mirrors the traffic of this host's interfaces to collectors, in VXLAN."};
  auto* config = app.add_option("--config", options.config, "settings of the daemon, in JSON")
                     ->capture_default_str();
  app.add_option("--state-dir", options.state_directory, "where the configuration is kept")
      ->capture_default_str();
  app.add_option("--socket", options.socket, "where the API listens")->capture_default_str();
  app.add_option("--apply", options.apply, "a document to apply at the start");
  app.add_option("--log-level", options.log_level, "how much to log")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.set_version_flag("--version", "vxtapd " VXTAP_VERSION);
  app.footer("Example: vxtapd --apply /etc/vxtap/mirror.json");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error) == 0 ? 0 : kInvalid;
    return std::nullopt;
  }
  options.config_given = config->count() > 0;
  return options;
}

Settings settings_of(const Options& options) {
  if (!options.config_given && access(options.config.c_str(), F_OK) != 0) return {};
  return read_settings(options.config);
}

void apply_file(Agent& agent, const std::string& file) {
  const auto plan = make_plan(agent.configuration(), parse_document(read_file(file)), false,
                              agent.settings().limits, api::draw_vni);
  agent.commit(plan, [](const std::vector<std::string>& warnings, Store&) {
    for (const auto& warning : warnings) spdlog::warn("{}", warning);
  });
}

void serve(const Options& options) {
  Agent agent(settings_of(options), options.state_directory);
  if (!options.apply.empty()) apply_file(agent, options.apply);

  asio::io_context loop;
  asio::signal_set signals(loop, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code&, int signal) {
    spdlog::info("stopping on signal {}", signal);
    loop.stop();
  });
  const NetworkWatch network(loop, agent);
  const CollectorWatch collectors(loop, agent);
  const Ticker ticker(loop, agent);
  // What changed between the agent's first look and the watches has not been seen by either.
  agent.on_network_change();
  const HttpServer server(
      loop, options.socket,
      {[&](const HttpRequest& request) { return handle(agent, request); }, body_limit});
  spdlog::info("ready: {}, {} session(s), tunnel port {}, API at {}",
               to_string(agent.attach_mode()), agent.configuration().sessions.size(),
               agent.settings().tunnel_port, options.socket);
  loop.run();
}

int fail(const Error& error) {
  std::cerr << "vxtapd: " << (error.field.empty() ? "" : error.field + ": ")
            << (error.value.empty() ? "" : error.value + ": ") << error.what() << '\n';
  return error.kind == Error::Kind::invalid ? kInvalid : kFailed;
}

int run(int argc, char** argv) {
  int exit_code = 0;
  const auto options = parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  spdlog::set_default_logger(spdlog::stderr_color_st("vxtapd"));
  spdlog::set_level(spdlog::level::from_str(options->log_level));
  try {
    serve(*options);
    return 0;
  } catch (const Error& error) {
    return fail(error);
  } catch (const std::exception& error) {
    return fail(Error(Error::Kind::internal, "Internal", error.what()));
  }
}

}  // namespace
}  // namespace vxtap

int main(int argc, char** argv) {
  return vxtap::run(argc, argv);
}

// vxtapd: options, event loop, and the way out.

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <functional>
#include <list>
#include <optional>

#include "agent/agent.h"
#include "agent/api/http_server.h"
#include "agent/api/operation.h"
#include "agent/api/router.h"
#include "agent/cleanup.h"
#include "agent/error.h"
#include "agent/kernel/icmp_errors.h"
#include "agent/kernel/network.h"
#include "agent/model/document.h"
#include "agent/service.h"
#include "agent/settings.h"
#include "agent/settings_watch.h"
#include "agent/socket_group.h"

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
  std::optional<std::string> log_level;  // wins over the settings
  bool cleanup = false;
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
  Ticker(asio::io_context& loop, std::function<void()> tick)
      : tick_(std::move(tick)), timer_(loop) {
    wait();
  }

 private:
  void wait() {
    timer_.expires_after(std::chrono::seconds(1));
    timer_.async_wait([this](const boost::system::error_code& stopped) {
      if (stopped) return;
      tick_();
      wait();
    });
  }

  std::function<void()> tick_;
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
  app.add_option("--log-level", options.log_level,
                 "how much to log, instead of what the settings say")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
  app.add_flag("--cleanup", options.cleanup,
               "remove all that daemons have left in the kernel, and nothing else; then end");
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

// For `systemctl status`.
std::string status_of(const Agent& agent) {
  const auto& sources = agent.sources();
  const auto active = std::count_if(sources.begin(), sources.end(), [](const auto& source) {
    return source.second.state == SourceState::active;
  });
  return fmt::format("{} session(s), {} of {} source(s) active",
                     agent.configuration().sessions.size(), active, sources.size());
}

void set_log_level(const Options& options, const Settings& settings) {
  spdlog::set_level(spdlog::level::from_str(options.log_level.value_or(settings.log_level)));
}

void serve(const Options& options) {
  const auto settings = settings_of(options);
  set_log_level(options, settings);
  Agent agent(settings, options.state_directory);
  Service service;
  if (!options.apply.empty()) apply_file(agent, options.apply);

  asio::io_context loop;
  asio::signal_set signals(loop, SIGINT, SIGTERM, SIGUSR1);
  signals.async_wait([&](const boost::system::error_code&, int signal) {
    const bool keep = signal == SIGUSR1 || agent.settings().keep_on_stop;
    spdlog::info("stopping on signal {}{}", signal, keep ? "; the mirror goes on" : "");
    agent.prepare_end(keep);
    loop.stop();
  });
  const NetworkWatch network(loop, agent);
  const CollectorWatch collectors(loop, agent);
  const Ticker ticker(loop, [&] {
    agent.on_tick();
    service.tick(status_of(agent));
  });
  const SettingsWatch settings_watch(
      loop, settings,
      {[&] { return settings_of(options); },
       [&](const Settings& changed) {
         set_log_level(options, changed);
         agent.use_limits(changed.limits);
       },
       [&] { service.reloading(); }, [&] { service.ready(status_of(agent)); }});
  // What changed between the agent's first look and the watches has not been seen by either.
  agent.on_network_change();
  const HttpServer server(
      loop, options.socket,
      {[&](const HttpRequest& request) { return handle(agent, request); }, body_limit});
  give_socket(options.socket, settings.socket_group);
  std::optional<HttpServer> metrics_server;
  if (const auto& address = agent.settings().metrics_address) {
    metrics_server.emplace(
        loop, *address, "metrics_address",
        HttpServer::Callbacks{
            [&](const HttpRequest& request) { return handle_metrics(agent, request); },
            [](const auto&, const auto&) -> uint64_t { return 0; }});
    spdlog::info("metrics at http://{}/metrics", to_string(*address));
  }
  spdlog::info("ready: {}, {} session(s), tunnel port {}, API at {}",
               to_string(agent.attach_mode()), agent.configuration().sessions.size(),
               agent.settings().tunnel_port, options.socket);
  service.ready(status_of(agent));
  loop.run();
}

int fail(const Error& error) {
  tell_failure(describe(error));
  return error.kind == Error::Kind::invalid ? kInvalid : kFailed;
}

int run(int argc, char** argv) {
  int exit_code = 0;
  const auto options = parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  set_up_log();
  try {
    if (options->cleanup) {
      for (const auto& line : clean_up(settings_of(*options).pin_dir)) std::cout << line << '\n';
    } else {
      serve(*options);
    }
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

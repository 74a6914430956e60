// Requests and responses over TCP or UDP: the server answers what comes, the client asks one thing
// after the other and says how long the answers took.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

namespace {

constexpr unsigned kWarmUp = 500;

struct Options {
  std::string address, protocol = "udp";
  unsigned count = 20000;
  std::size_t size = 64;  // of a request and of its answer, bytes
  uint16_t port = 5001;
  int core = 0;
  bool serve = false;

  int type() const { return protocol == "tcp" ? SOCK_STREAM : SOCK_DGRAM; }
};

int check(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

sockaddr_in address_of(const Options& options) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  if (inet_pton(AF_INET, options.address.c_str(), &address.sin_addr) != 1) {
    throw std::invalid_argument("address '" + options.address + "' must be an IPv4 address");
  }
  return address;
}

// Small packets are to leave at once.
void no_delay(int fd, const Options& options) {
  const int on = 1;
  if (options.type() == SOCK_STREAM) {
    check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  }
}

// False at the end of a connection.
bool receive(int fd, std::vector<char>& buffer) {
  return check(static_cast<int>(recv(fd, buffer.data(), buffer.size(), MSG_WAITALL)), "recv") > 0;
}

void serve_stream(int listener, const Options& options) {
  std::vector<char> buffer(options.size);
  check(listen(listener, 1), "listen");
  while (true) {
    const int fd = check(accept(listener, nullptr, nullptr), "accept");
    no_delay(fd, options);
    while (receive(fd, buffer)) {
      check(static_cast<int>(send(fd, buffer.data(), buffer.size(), 0)), "send");
    }
    close(fd);
  }
}

void serve_datagrams(int fd, const Options& options) {
  std::vector<char> buffer(options.size);
  while (true) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    auto* const address = reinterpret_cast<sockaddr*>(&peer);
    check(static_cast<int>(recvfrom(fd, buffer.data(), buffer.size(), 0, address, &length)),
          "recvfrom");
    check(static_cast<int>(sendto(fd, buffer.data(), buffer.size(), 0, address, length)), "sendto");
  }
}

void serve(const Options& options) {
  const int fd = check(socket(AF_INET, options.type(), 0), "socket");
  const int on = 1;
  check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
  const auto address = address_of(options);
  check(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  options.type() == SOCK_STREAM ? serve_stream(fd, options) : serve_datagrams(fd, options);
}

// Microseconds, in ascending order.
std::vector<double> ask(const Options& options) {
  const int fd = check(socket(AF_INET, options.type(), 0), "socket");
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  check(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), "SO_RCVTIMEO");
  const auto address = address_of(options);
  check(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
  no_delay(fd, options);
  std::vector<char> buffer(options.size);
  std::vector<double> times;
  for (unsigned n = 0; n < kWarmUp + options.count; ++n) {
    const auto start = std::chrono::steady_clock::now();
    check(static_cast<int>(send(fd, buffer.data(), buffer.size(), 0)), "send");
    if (!receive(fd, buffer)) throw std::runtime_error("the server has gone");
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    if (n >= kWarmUp) times.push_back(time.count());
  }
  close(fd);
  std::sort(times.begin(), times.end());
  return times;
}

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  check(sched_setaffinity(0, sizeof set, &set), "--core");
}

void run(const Options& options) {
  pin(options.core);
  if (options.serve) return serve(options);
  const auto times = ask(options);
  std::cout << nlohmann::json{{"p50", times[times.size() / 2]},
                              {"p99", times[times.size() * 99 / 100]}}
            << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Asks a server, or is one; prints the client's microseconds"};
  app.add_option("address", options.address, "of the server")->required();
  app.add_flag("--serve", options.serve);
  app.add_option("--protocol", options.protocol)->check(CLI::IsMember({"tcp", "udp"}));
  app.add_option("--count", options.count)->check(CLI::PositiveNumber);
  app.add_option("--size", options.size)->check(CLI::Range(1, 1400));
  app.add_option("--port", options.port);
  app.add_option("--core", options.core)->check(CLI::Range(0, CPU_SETSIZE - 1));
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::cerr << "round_trips: " << error.what() << '\n';
    return 1;
  }
}

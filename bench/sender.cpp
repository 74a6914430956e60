// Sends numbered UDP packets as fast as one core can, and says what each of them cost that core.

#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>
#include <system_error>
#include <vector>

namespace {

constexpr unsigned kBatch = 64;
constexpr std::size_t kHeaders = sizeof(ether_header) + sizeof(iphdr) + sizeof(udphdr);

struct Options {
  std::string interface, mac;
  std::uint64_t count = 100000, flows = 1;  // flows 0: a new one with every packet
  std::size_t size = 512;                   // with the Ethernet header, without FCS
  std::uint16_t port = 5000;                // destination
  int core = 0;
};

using Packet = std::vector<std::uint8_t>;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::uint16_t checksum(std::span<const std::uint8_t> header) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < header.size(); i += 2) sum += header[i] << 8 | header[i + 1];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<std::uint16_t>(~sum));
}

// The flow is in source address and port; the number stands first in the payload.
void number(Packet& packet, std::uint64_t n, std::uint64_t flows) {
  const auto flow = flows == 0 ? n : n % flows;
  iphdr ip{};
  std::memcpy(&ip, &packet[sizeof(ether_header)], sizeof ip);
  ip.saddr = htonl(0x0a640000U + static_cast<std::uint32_t>(flow / 16384 % 65536));
  ip.check = 0;
  std::memcpy(&packet[sizeof(ether_header)], &ip, sizeof ip);
  ip.check = checksum(std::span(packet).subspan(sizeof(ether_header), sizeof ip));
  std::memcpy(&packet[sizeof(ether_header)], &ip, sizeof ip);
  const auto port = htons(static_cast<std::uint16_t>(1024 + flow % 16384));
  std::memcpy(&packet[sizeof(ether_header) + sizeof ip], &port, sizeof port);
  std::memcpy(&packet[kHeaders], &n, sizeof n);
}

Packet blank(const Options& options) {
  Packet packet(options.size);
  ether_header ethernet{
      .ether_dhost = {}, .ether_shost = {2, 0, 0, 0, 0, 1}, .ether_type = htons(ETHERTYPE_IP)};
  if (ether_aton_r(options.mac.c_str(), reinterpret_cast<ether_addr*>(&ethernet.ether_dhost)) ==
      nullptr) {
    throw std::invalid_argument("--mac '" + options.mac + "' must be a MAC address");
  }
  iphdr ip{};
  ip.version = 4, ip.ihl = 5, ip.ttl = 64, ip.protocol = IPPROTO_UDP,
  ip.daddr = htonl(0x0a5a0002);  // 10.90.0.2
  ip.tot_len = htons(static_cast<std::uint16_t>(options.size - sizeof ethernet));
  udphdr udp{};
  udp.dest = htons(options.port),
  udp.len = htons(static_cast<std::uint16_t>(options.size - sizeof ethernet - sizeof ip));
  std::memcpy(packet.data(), &ethernet, sizeof ethernet);
  std::memcpy(&packet[sizeof ethernet], &ip, sizeof ip);
  std::memcpy(&packet[sizeof ethernet + sizeof ip], &udp, sizeof udp);
  return packet;
}

int open_socket(const std::string& interface) {
  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail("socket");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (address.sll_ifindex == 0) fail("--interface '" + interface + "'");
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
  return fd;
}

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) fail("--core " + std::to_string(core));
}

void send_all(int fd, const Options& options) {
  std::vector<Packet> packets(kBatch, blank(options));
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  for (unsigned i = 0; i < kBatch; ++i) {
    parts[i] = {packets[i].data(), packets[i].size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (std::uint64_t sent = 0; sent < options.count;) {
    const auto wanted =
        static_cast<unsigned>(std::min<std::uint64_t>(kBatch, options.count - sent));
    for (unsigned i = 0; i < wanted; ++i) number(packets[i], sent + i, options.flows);
    const int done = sendmmsg(fd, messages.data(), wanted, 0);
    if (done < 0 && errno != ENOBUFS) fail("sendmmsg");
    if (done > 0) sent += static_cast<unsigned>(done);
  }
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void measure(const Options& options) {
  pin(options.core);
  const int fd = open_socket(options.interface);
  const auto start = std::chrono::steady_clock::now();
  const auto before = cpu_seconds();
  send_all(fd, options);
  const auto cpu = cpu_seconds() - before;
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  close(fd);
  const auto count = static_cast<double>(options.count);
  std::cout << nlohmann::json{{"packets", options.count},
                              {"packets_per_second", count / wall.count()},
                              {"cpu_ns", cpu / count * 1e9}}
            << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Sends numbered UDP packets to 10.90.0.2 from one core"};
  app.add_option("--interface", options.interface)->required();
  app.add_option("--mac", options.mac, "of the destination")->required();
  app.add_option("--count", options.count)->check(CLI::Range(1UL, 1UL << 40));
  app.add_option("--flows", options.flows, "0: a new one with every packet");
  app.add_option("--size", options.size, "with the Ethernet header")
      ->check(CLI::Range(kHeaders + 8, std::size_t{1514}));
  app.add_option("--port", options.port, "destination port");
  app.add_option("--core", options.core)->check(CLI::Range(0, CPU_SETSIZE - 1));
  CLI11_PARSE(app, argc, argv);
  try {
    measure(options);
  } catch (const std::exception& error) {
    std::cerr << "sender: " << error.what() << '\n';
    return 1;
  }
}

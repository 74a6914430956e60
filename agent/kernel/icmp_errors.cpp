#include "agent/kernel/icmp_errors.h"

#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>

#include "agent/kernel/check.h"

namespace vxtap {
namespace {

constexpr int kMostErrors = 64;  // of one round: a flood of them must not hold up the daemon

using Bytes = std::span<const uint8_t>;

template <class Header>
std::optional<Header> header(Bytes bytes) {
  if (bytes.size() < sizeof(Header)) return std::nullopt;
  Header result{};
  std::memcpy(&result, bytes.data(), sizeof(result));
  return result;
}

Bytes behind(Bytes bytes, size_t length) {
  return bytes.subspan(std::min(length, bytes.size()));
}

struct QuotedCopy {
  Address collector;
  bool too_big = false;
};

bool is_copy(uint8_t protocol, Bytes transport, uint16_t port) {
  const auto udp = header<udphdr>(transport);
  return protocol == IPPROTO_UDP && udp && ntohs(udp->uh_dport) == port;
}

// A raw IPv4 socket gives packets with their IP header.
std::optional<QuotedCopy> quoted_by_icmp(Bytes packet, uint16_t port) {
  const auto outer = header<iphdr>(packet);
  if (!outer) return std::nullopt;
  const auto message = behind(packet, size_t{outer->ihl} * 4);
  const auto icmp = header<icmphdr>(message);
  const auto quoted = behind(message, sizeof(icmphdr));
  const auto inner = header<iphdr>(quoted);
  if (!icmp || !inner || !is_copy(inner->protocol, behind(quoted, size_t{inner->ihl} * 4), port)) {
    return std::nullopt;
  }
  QuotedCopy copy{{Family::ipv4, {}}, icmp->code == ICMP_FRAG_NEEDED};
  std::memcpy(copy.collector.bytes.data(), &inner->daddr, sizeof(inner->daddr));
  return copy;
}

std::optional<QuotedCopy> quoted_by_icmpv6(Bytes message, uint16_t port) {
  const auto icmp = header<icmp6_hdr>(message);
  const auto quoted = behind(message, sizeof(icmp6_hdr));
  const auto inner = header<ip6_hdr>(quoted);
  if (!icmp || !inner) return std::nullopt;
  auto protocol = inner->ip6_nxt;
  auto transport = behind(quoted, sizeof(ip6_hdr));
  const auto fragment = header<ip6_frag>(transport);
  if (protocol == IPPROTO_FRAGMENT && fragment && (fragment->ip6f_offlg & IP6F_OFF_MASK) == 0) {
    protocol = fragment->ip6f_nxt;
    transport = behind(transport, sizeof(ip6_frag));
  }
  if (!is_copy(protocol, transport, port)) return std::nullopt;
  QuotedCopy copy{{Family::ipv6, {}}, icmp->icmp6_type == ICMP6_PACKET_TOO_BIG};
  std::memcpy(copy.collector.bytes.data(), &inner->ip6_dst, sizeof(inner->ip6_dst));
  return copy;
}

int open_icmp() {
  const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);
  if (fd < 0) return -errno;
  const icmp_filter wanted{~(1U << ICMP_DEST_UNREACH)};
  setsockopt(fd, SOL_RAW, ICMP_FILTER, &wanted, sizeof(wanted));
  return fd;
}

int open_icmpv6() {
  const int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
  if (fd < 0) return -errno;
  icmp6_filter wanted{};
  ICMP6_FILTER_SETBLOCKALL(&wanted);
  ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &wanted);
  ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &wanted);
  setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &wanted, sizeof(wanted));
  return fd;
}

}  // namespace

IcmpErrors::IcmpErrors(uint16_t tunnel_port) : tunnel_port_(tunnel_port) {
  sockets_[0] = check(open_icmp(), "opening a socket for ICMP errors");
  const int ipv6 = open_icmpv6();
  if (ipv6 != -EAFNOSUPPORT) sockets_[1] = check(ipv6, "opening a socket for ICMPv6 errors");
}

IcmpErrors::~IcmpErrors() {
  for (const int fd : sockets_) {
    if (fd >= 0) close(fd);
  }
}

void IcmpErrors::drain(const Take& take) {
  std::array<uint8_t, 1500> buffer{};
  for (size_t family = 0; family < sockets_.size(); ++family) {
    for (int i = 0; i < kMostErrors && sockets_.at(family) >= 0; ++i) {
      const auto size = recv(sockets_.at(family), buffer.data(), buffer.size(), 0);
      if (size <= 0) break;
      const auto bytes = Bytes(buffer).first(static_cast<size_t>(size));
      const auto copy =
          family == 0 ? quoted_by_icmp(bytes, tunnel_port_) : quoted_by_icmpv6(bytes, tunnel_port_);
      if (copy) take(copy->collector, copy->too_big);
    }
  }
}

}  // namespace vxtap

#include "agent/model/value.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "agent/error.h"

namespace vxtap {
namespace {

struct NamedProtocol {
  std::string_view name;
  uint8_t number;
};
constexpr std::array kProtocols{NamedProtocol{"icmp", 1},    NamedProtocol{"tcp", 6},
                                NamedProtocol{"udp", 17},    NamedProtocol{"gre", 47},
                                NamedProtocol{"icmpv6", 58}, NamedProtocol{"sctp", 132}};

[[noreturn]] void refuse(const char* code, std::string_view value, const std::string& rule) {
  throw Error(Error::Kind::invalid, code, rule, "", std::string(value));
}

// The whole text as a decimal number up to `last`, without sign or leading blanks.
std::optional<uint32_t> try_number(std::string_view text, uint32_t last) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || number > last) {
    return std::nullopt;
  }
  return number;
}

int address_family(Family family) {
  return family == Family::ipv4 ? AF_INET : AF_INET6;
}

std::optional<Address> try_address(const std::string& text) {
  if (text.find('\0') != std::string::npos) return std::nullopt;  // inet_pton would end there
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    Address address{family, {}};
    if (inet_pton(address_family(family), text.c_str(), address.bytes.data()) == 1) return address;
  }
  return std::nullopt;
}

Address network_of(Address address, uint32_t prefix_length) {
  for (uint32_t i = 0; i < address.bytes.size(); ++i) {
    const uint32_t kept = prefix_length > i * 8 ? std::min(prefix_length - i * 8, 8U) : 0;
    address.bytes.at(i) &= static_cast<uint8_t>(0xff00U >> kept);
  }
  return address;
}

}  // namespace

std::string Bounds::rule() const {
  return "must be from " + std::to_string(first) + " to " + std::to_string(last);
}

uint32_t parse_number(std::string_view text, const Bounds& bounds) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::invalid_argument || end != text.data() + text.size()) {
    refuse("InvalidType", text, "must be a whole number");
  }
  if (error != std::errc{} || !bounds.hold(number)) refuse("OutOfRange", text, bounds.rule());
  return number;
}

const char* to_string(Direction direction) {
  return direction == Direction::inbound ? "inbound" : "outbound";
}

Direction parse_direction(std::string_view text) {
  for (const Direction direction : kDirections) {
    if (text == to_string(direction)) return direction;
  }
  refuse("InvalidDirection", text, "must be inbound or outbound");
}

Policy parse_policy(std::string_view text) {
  for (const Policy policy : {Policy::collect, Policy::ignore}) {
    if (text == to_string(policy)) return policy;
  }
  refuse("InvalidPolicy", text, "must be collect or ignore");
}

const char* to_string(Policy policy) {
  return policy == Policy::collect ? "collect" : "ignore";
}

Oversize parse_oversize(std::string_view text) {
  for (const Oversize oversize : {Oversize::truncate, Oversize::fragment}) {
    if (text == to_string(oversize)) return oversize;
  }
  refuse("InvalidOversize", text, "must be truncate or fragment");
}

const char* to_string(Oversize oversize) {
  return oversize == Oversize::truncate ? "truncate" : "fragment";
}

Address parse_address(std::string_view text) {
  const auto address = try_address(std::string(text));
  if (!address) refuse("InvalidAddress", text, "must be an IPv4 or IPv6 address");
  return *address;
}

std::string to_string(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(address_family(address.family), address.bytes.data(), text.data(), text.size());
  return text.data();
}

Cidr parse_cidr(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = try_address(std::string(text.substr(0, slash)));
  const uint32_t bits = address && address->family == Family::ipv6 ? 128 : 32;
  const auto length =
      slash == std::string_view::npos ? std::nullopt : try_number(text.substr(slash + 1), bits);
  if (!address || !length) {
    refuse("InvalidCidr", text,
           "must be a network like 10.0.0.0/8 or 2001:db8::/32, with a prefix length of 0-32 or "
           "0-128");
  }
  const Cidr cidr{network_of(*address, *length), static_cast<uint8_t>(*length)};
  if (cidr.network != *address) {
    refuse("HostBitsSet", text,
           "must have its host bits zero: did you mean " + to_string(cidr) + "?");
  }
  return cidr;
}

std::string to_string(const Cidr& cidr) {
  return to_string(cidr.network) + "/" + std::to_string(cidr.prefix_length);
}

std::optional<uint8_t> parse_protocol(std::string_view text) {
  if (text == "all") return std::nullopt;
  const auto named = std::find_if(kProtocols.begin(), kProtocols.end(),
                                  [&](const NamedProtocol& p) { return p.name == text; });
  if (named != kProtocols.end()) return named->number;
  const auto number = try_number(text, 255);
  if (!number) {
    refuse("InvalidProtocol", text,
           "must be all, icmp, icmpv6, tcp, udp, sctp, gre or an IP protocol number 0-255");
  }
  return static_cast<uint8_t>(*number);
}

std::string protocol_to_string(std::optional<uint8_t> protocol) {
  if (!protocol) return "all";
  const auto named = std::find_if(kProtocols.begin(), kProtocols.end(),
                                  [&](const NamedProtocol& p) { return p.number == *protocol; });
  return named != kProtocols.end() ? std::string(named->name) : std::to_string(*protocol);
}

std::optional<PortRange> parse_port_range(std::string_view text) {
  if (text == "-1/-1") return std::nullopt;
  const auto slash = text.find('/');
  if (slash != std::string_view::npos) {
    const auto first = try_number(text.substr(0, slash), kPorts.last);
    const auto last = try_number(text.substr(slash + 1), kPorts.last);
    if (first && last && *first <= *last) {
      return PortRange{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
    }
  }
  refuse("InvalidPortRange", text,
         "must be first/last with 0 <= first <= last <= 65535, or -1/-1 for any port");
}

std::string port_range_to_string(std::optional<PortRange> range) {
  if (!range) return "-1/-1";
  return std::to_string(range->first) + "/" + std::to_string(range->last);
}

bool protocol_has_ports(std::optional<uint8_t> protocol) {
  switch (protocol.value_or(0)) {
    case 6:
    case 17:
    case 132:
      return true;
    default:
      return false;
  }
}

}  // namespace vxtap

#pragma once

// The objects of a configuration, as plain data. SPEC: filters hold rules, sessions join a filter,
// source interfaces and a destination. Nothing here knows JSON or the kernel.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vxtap {

enum class Direction : uint8_t { inbound = 0, outbound = 1 };
inline constexpr std::array kDirections{Direction::inbound, Direction::outbound};
const char* to_string(Direction direction);

enum class Family : uint8_t { ipv4 = 4, ipv6 = 6 };

// An IP address in network byte order; IPv4 takes the first four bytes, the others are zero.
struct Address {
  Family family = Family::ipv4;
  std::array<uint8_t, 16> bytes{};
  auto operator<=>(const Address&) const = default;
};

// A network: host bits are zero.
struct Cidr {
  Address network;
  uint8_t prefix_length = 0;  // 0–32 or 0–128
  bool operator==(const Cidr&) const = default;
};

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 65535;
  bool operator==(const PortRange&) const = default;
};

enum class Policy : uint8_t { ignore = 0, collect = 1 };

// An empty optional matches anything.
struct Rule {
  uint32_t priority = 0;
  Policy policy = Policy::collect;
  std::optional<uint8_t> protocol;  // IP protocol number
  std::optional<Cidr> source_cidr, destination_cidr;
  std::optional<PortRange> source_port, destination_port;
  bool operator==(const Rule&) const = default;
};

// A rule as it stands by itself, outside a filter's lists.
struct DirectedRule {
  Direction direction = Direction::inbound;
  Rule rule;
  bool operator==(const DirectedRule&) const = default;
};

using Tags = std::map<std::string, std::string>;

struct Filter {
  std::string name, description, group;
  Tags tags;
  std::array<std::vector<Rule>, 2> rules;  // by Direction; ascending priority in a Configuration
  std::vector<Rule>& of(Direction direction) { return rules.at(static_cast<size_t>(direction)); }
  const std::vector<Rule>& of(Direction direction) const {
    return rules.at(static_cast<size_t>(direction));
  }
  bool operator==(const Filter&) const = default;
};

enum class Oversize : uint8_t { truncate, fragment };

struct Session {
  std::string name, filter, description, group;
  Tags tags;
  std::vector<std::string> sources;  // as written, unique by name: see source.h
  Address destination;
  std::optional<uint32_t> vni;  // empty: `auto`, drawn when the session is taken in
  uint32_t priority = 0;
  uint32_t packet_length = 1500;  // bytes, from the IP header on
  Oversize oversize = Oversize::truncate;
  bool fall_through = false;
  bool enabled = false;
  bool operator==(const Session&) const = default;
};

// What a user wrote: objects in their order.
struct Document {
  std::vector<Filter> filters;
  std::vector<Session> sessions;
};

// A filter that does not change any more: configurations share it, and what was compiled from it
// holds for as long as it lives.
using SharedFilter = std::shared_ptr<const Filter>;

// What the daemon holds: objects by name.
struct Configuration {
  std::map<std::string, SharedFilter> filters;
  std::map<std::string, Session> sessions;
};

}  // namespace vxtap

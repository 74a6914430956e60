#pragma once

// Configurations and packets at random for the reference test: packets are aimed at rules and often
// miss them by one.

#include <optional>
#include <vector>

#include "agent/model/match.h"
#include "tests/bpf/packet.h"
#include "tests/random_documents.h"

namespace vxtap::test {

// A document, and what it takes its values from: few addresses and ports, so that rules overlap.
struct Scene {
  std::vector<Address> collectors;
  Pool pool;
  Document document;
};

// Some filters of 0–`most_rules` rules per direction, no session.
Scene random_scene(Random& random, size_t most_rules);

// 1–5 sessions over the scene's filters in place of those that it has, nearly all of them on the
// interface.
void draw_sessions(Random& random, Scene& scene, const std::string& interface);

// A packet, and what rules should see of it: known from composing it, not from parsing it.
struct Sample {
  Packet packet;
  Direction direction = Direction::inbound;
  std::optional<PacketFields> fields;  // empty: not a sound IP packet
  size_t network_offset = 0;           // bytes to the IP header
  size_t tags = 0;                     // VLAN
  size_t extensions = 0;               // IPv6 headers before the last, fragment headers too
  bool fragment = false;
  bool later_fragment = false;
  bool near_miss = false;  // made to match a rule, but for one step over one of its limits
};
Sample random_sample(Random& random, const Scene& scene);

}  // namespace vxtap::test

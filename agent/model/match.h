#pragma once

// Whether a rule matches a packet, and if not, why: SPEC §1 and §2.6 in plain C++. The kernel
// decides; this says the reason for people, and is what the kernel's answers are tested against.

#include <optional>
#include <string>
#include <vector>

#include "agent/model/objects.h"

namespace vxtap {

// What rules look at.
struct PacketFields {
  Address source, destination;
  uint8_t protocol = 0;  // of the last header that could be passed, RFC 8200 §4
  struct Ports {
    uint16_t source = 0;
    uint16_t destination = 0;
  };
  std::optional<Ports> ports;  // empty if they cannot be seen
};

// Empty if it matches, or the first thing that does not: `protocol is udp, not tcp`.
std::optional<std::string> mismatch(const Rule& rule, const PacketFields& packet);

// The rule that decides, or nullptr. `rules` in ascending order of priority.
const Rule* deciding_rule(const std::vector<Rule>& rules, const PacketFields& packet);

}  // namespace vxtap

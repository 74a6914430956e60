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
  // Of a later fragment whose first was not seen: there may be ports, or another protocol.
  bool ports_unknown = false;
  bool protocol_unknown = false;
};

struct Match {
  enum class Result { no, maybe, yes } result;
  std::string reason;  // why it is not yes, for people: `the protocol is udp, not tcp`
};
Match match(const Rule& rule, const PacketFields& packet);

struct Decision {
  const Rule* rule = nullptr;  // the one that decides, if any
  // What is not known of the packet would decide: then no rule does.
  bool doubtful = false;
};
// `rules` in ascending order of priority.
Decision decide(const std::vector<Rule>& rules, const PacketFields& packet);

}  // namespace vxtap

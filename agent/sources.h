#pragma once

// What can be said of the sources of a configuration by what the host has: SPEC §2.10 and §2.13.
// Pure.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/kernel/network.h"
#include "agent/model/plan.h"

namespace vxtap {

enum class SourceState { active, pending, paused, error };
const char* to_string(SourceState state);

struct SourceStatus {
  SourceState state = SourceState::pending;
  std::string message;  // why it is not active, for people
};

// Whether the link's packets begin with an Ethernet header, and not with their IP header.
bool has_ethernet_header(const Link& link);

using AddressesByInterface = std::map<std::string, std::vector<Address>>;

// All sources of all sessions, enabled or not.
std::map<std::string, SourceStatus> source_states(const Configuration& configuration,
                                                  const std::vector<Link>& links,
                                                  const AddressesByInterface& addresses);

// Throws if the plan has a source that is a device of the mirror itself (OwnDevice), or one that
// owns a destination's address (conflict, SourceIsDestination) and did not clash with it in
// `before`: what clashes since an address came is paused, and must not stand in the way of any
// other change.
void refuse_conflicts(const Configuration& before, const Plan& plan,
                      const AddressesByInterface& addresses);

}  // namespace vxtap

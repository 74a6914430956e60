#pragma once

// What can be said of the sources of a configuration by what the host has: SPEC §2.10 and §2.13.
// Pure.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/kernel/network.h"
#include "agent/model/plan.h"
#include "agent/model/source.h"

namespace vxtap {

// passed_over: a pattern matches the interface, but it cannot be a source.
enum class SourceState { active, pending, paused, passed_over, error };
const char* to_string(SourceState state);

struct SourceStatus {
  SourceState state = SourceState::pending;
  std::string message;  // why it is not active, for people
};

// Whether the link's packets begin with an Ethernet header, and not with their IP header.
bool has_ethernet_header(const Link& link);

using AddressesByInterface = std::map<std::string, std::vector<Address>>;

// All sources of all sessions, enabled or not, by interface; a pattern that matches none, or what
// has no near end, stands there itself.
std::map<std::string, SourceStatus> source_states(const Configuration& configuration,
                                                  const std::vector<Link>& links,
                                                  const AddressesByInterface& addresses,
                                                  const NearEnds& near_ends);

// A source of one session: an interface, or what leads to none.
struct SessionSource {
  std::string interface;
  std::string source;  // as the session has it
  SourceStatus status;
};
std::vector<SessionSource> sources_of(const Session& session,
                                      const std::map<std::string, SourceStatus>& states,
                                      const NearEnds& near_ends);

// Throws if the plan has a source that is a device of the mirror itself (OwnDevice), or one that
// owns a destination's address (conflict, SourceIsDestination) and did not clash with it in
// `before`: what clashes since an address came is paused, and must not stand in the way of any
// other change.
void refuse_conflicts(const Configuration& before, const Plan& plan,
                      const AddressesByInterface& addresses);

}  // namespace vxtap

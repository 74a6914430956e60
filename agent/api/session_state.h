#pragma once

// How the sessions fare, in words.

#include <nlohmann/json_fwd.hpp>

#include "agent/agent.h"

namespace vxtap {

// Of each session its state, `stopped`, `waiting` (for a source or a rule), `impaired` (its way to
// the collector is) or `mirroring`, and why.
nlohmann::ordered_json session_states(Agent& agent);

}  // namespace vxtap

#pragma once

// Which session and rule decide for a packet, and why: the loaded program says what, the model says
// why the others did not.

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "agent/agent.h"

namespace vxtap {

// The body of POST /v1/explain: an interface, a direction, and either a `packet` that is described
// or `frames`, each in hexadecimal and beginning with its Ethernet header. Gives what the program
// decided, for the described packet with every rule that was tried. Throws Error(invalid) with the
// field, and not_found (InterfaceNotFound).
nlohmann::ordered_json explain(Agent& agent, std::string_view body);

}  // namespace vxtap

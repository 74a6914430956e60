#pragma once

// What the API tells of the agent, in JSON: SPEC §7 and the states.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "agent/agent.h"

namespace vxtap {

nlohmann::ordered_json session_report(const Agent& agent, const Session& session);
nlohmann::ordered_json sessions_report(const Agent& agent);
nlohmann::ordered_json stats_report(const Agent& agent);
nlohmann::ordered_json status_report(const Agent& agent);
nlohmann::ordered_json plan_report(const Plan& plan, bool dry_run);

}  // namespace vxtap

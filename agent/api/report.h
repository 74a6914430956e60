#pragma once

// What the API tells of the agent, in JSON: SPEC §7 and the states.

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "bpf/mirror_abi.h"

namespace vxtap {

// In the order of enum mirror_drop.
inline constexpr std::array<const char*, MIRROR_DROPS> kDropReasons{
    "no_device", "no_memory", "no_route", "no_neighbour", "link_down", "queue", "error"};

// The object with what the daemon knows of it.
nlohmann::ordered_json filter_report(const Agent& agent, const Filter& filter);
nlohmann::ordered_json session_report(Agent& agent, const Session& session);
// For lists: how many rules instead of the rules.
nlohmann::ordered_json filter_summary(const Agent& agent, const Filter& filter);

// Of all sessions or the one, with or without the counters of their rules.
nlohmann::ordered_json stats_report(const Agent& agent, const std::optional<std::string>& session,
                                    bool rules);
nlohmann::ordered_json interfaces_report(Agent& agent);
nlohmann::ordered_json status_report(Agent& agent);
nlohmann::ordered_json plan_report(const Plan& plan, bool dry_run);

}  // namespace vxtap

#include "agent/api/report.h"

#include <sys/utsname.h>

#include <nlohmann/json.hpp>
#include <set>

#include "agent/api/session_state.h"
#include "agent/kernel/tunnel.h"
#include "agent/model/document.h"
#include "agent/model/edit.h"
#include "agent/model/plan.h"
#include "agent/model/value.h"

namespace vxtap {
namespace {

using nlohmann::ordered_json;

void add(mirror_counters& total, const mirror_counters& counters) {
  total.matched_packets += counters.matched_packets;
  total.matched_bytes += counters.matched_bytes;
  total.mirrored_packets += counters.mirrored_packets;
  total.mirrored_bytes += counters.mirrored_bytes;
  total.truncated_packets += counters.truncated_packets;
  for (size_t i = 0; i < kDropReasons.size(); ++i) {
    total.dropped_packets[i] += counters.dropped_packets[i];
  }
}

ordered_json to_json(const mirror_counters& counters) {
  uint64_t dropped = 0;
  auto drops = ordered_json::object();
  for (size_t i = 0; i < kDropReasons.size(); ++i) {
    const uint64_t packets = counters.dropped_packets[i];
    dropped += packets;
    if (packets > 0) drops[kDropReasons.at(i)] = packets;
  }
  return {{"matched_packets", counters.matched_packets},
          {"matched_bytes", counters.matched_bytes},
          {"mirrored_packets", counters.mirrored_packets},
          {"mirrored_bytes", counters.mirrored_bytes},
          {"truncated_packets", counters.truncated_packets},
          {"dropped_packets", dropped},
          {"drops", drops}};
}

ordered_json rules_stats(const Agent& agent, const Session& session, const RuleCounters& counters) {
  auto rules = ordered_json::array();
  const auto& filter = *agent.configuration().filters.at(session.filter);
  const uint32_t id = agent.accounts().session_id(session);
  for (const Direction direction : kDirections) {
    for (const auto& rule : filter.of(direction)) {
      const auto rule_id = mirror_rule_id(static_cast<uint32_t>(direction), rule.priority);
      const auto counted = counters.find({id, rule_id});
      const auto values = counted == counters.end() ? mirror_rule_counters{} : counted->second;
      rules.push_back({{"direction", to_string(direction)},
                       {"priority", rule.priority},
                       {"packets", values.packets},
                       {"bytes", values.bytes}});
    }
  }
  return rules;
}

// A source that was taken away keeps its counts, or the totals would shrink.
std::string counted_state(const Agent& agent, const Session& session,
                          const std::string& interface) {
  for (const auto& source : agent.sources_of(session)) {
    if (source.interface == interface) return to_string(source.status.state);
  }
  return "detached";
}

ordered_json session_stats(const Agent& agent, const Session& session) {
  mirror_counters totals{};
  auto sources = ordered_json::array();
  for (const auto& interface : agent.accounts().counted_sources(session.name)) {
    const auto inbound = agent.accounts().of(session.name, interface, Direction::inbound);
    const auto outbound = agent.accounts().of(session.name, interface, Direction::outbound);
    add(totals, inbound);
    add(totals, outbound);
    sources.push_back({{"interface", interface},
                       {"state", counted_state(agent, session, interface)},
                       {"inbound", to_json(inbound)},
                       {"outbound", to_json(outbound)}});
  }
  return {{"name", session.name},
          {"enabled", session.enabled},
          {"vni", session.vni.value()},
          {"totals", to_json(totals)},
          {"sources", sources}};
}

}  // namespace

ordered_json filter_report(const Agent& agent, const Filter& filter) {
  auto report = to_json(filter);
  report["sessions"] = edit::sessions_of(agent.configuration(), filter.name);
  return report;
}

ordered_json filter_summary(const Agent& agent, const Filter& filter) {
  return {{"name", filter.name},
          {"description", filter.description},
          {"group", filter.group},
          {"tags", to_json(filter.tags)},
          {"inbound_rules", filter.of(Direction::inbound).size()},
          {"outbound_rules", filter.of(Direction::outbound).size()},
          {"sessions", edit::sessions_of(agent.configuration(), filter.name)}};
}

ordered_json session_report(Agent& agent, const Session& session) {
  auto report = to_json(session);
  auto states = ordered_json::array();
  for (const auto& source : agent.sources_of(session)) {
    states.push_back({{"interface", source.interface},
                      {"source", source.source},
                      {"state", to_string(source.status.state)},
                      {"message", source.status.message}});
  }
  report["source_states"] = states;
  report["notes"] = agent.notes_on(session);
  return report;
}

ordered_json stats_report(const Agent& agent, const std::optional<std::string>& only, bool rules) {
  const auto matched = rules ? agent.accounts().of_rules() : RuleCounters{};
  auto sessions = ordered_json::array();
  for (const auto& [name, session] : agent.configuration().sessions) {
    if (only && *only != name) continue;
    sessions.push_back(session_stats(agent, session));
    if (rules) sessions.back()["rules"] = rules_stats(agent, session, matched);
  }
  auto sources = ordered_json::array();
  for (const auto& [interface, status] : agent.sources()) {
    if (only && !agent.accounts().counted_sources(*only).contains(interface)) continue;
    const auto counters = agent.accounts().of_source(interface);
    sources.push_back({{"interface", interface},
                       {"seen_packets", counters.seen_packets},
                       {"skipped_packets", counters.skipped_packets},
                       {"own_packets", counters.own_packets},
                       {"undecided_packets", counters.undecided_packets}});
  }
  return {{"sessions", sessions}, {"sources", sources}};
}

ordered_json interfaces_report(Agent& agent) {
  auto interfaces = ordered_json::array();
  for (const auto& link : agent.links()) {
    if (is_own_device(link.name)) continue;
    const bool source = agent.sources().contains(link.name);
    interfaces.push_back({{"name", link.name}, {"ifindex", link.ifindex}, {"source", source}});
  }
  return {{"interfaces", interfaces}};
}

ordered_json destinations_report(Agent& agent) {
  auto destinations = ordered_json::array();
  for (const auto& [address, encapsulation] : agent.encapsulations()) {
    destinations.push_back({{"address", to_string(address)},
                            {"interface", encapsulation.interface},
                            {"encapsulation", encapsulation.bpf ? "bpf" : "kernel"},
                            {"reason", encapsulation.reason}});
  }
  return destinations;
}

ordered_json status_report(Agent& agent) {
  utsname kernel{};
  uname(&kernel);
  size_t enabled = 0;
  auto sources = ordered_json::array();
  const auto& sessions = agent.configuration().sessions;
  for (const auto& [interface, status] : agent.sources()) {
    auto users = ordered_json::array();
    auto patterns = std::set<std::string>();
    for (const auto& [name, session] : sessions) {
      for (const auto& source : agent.sources_of(session)) {
        if (source.interface != interface) continue;
        users.push_back(name);
        patterns.insert(source.source);
      }
    }
    sources.push_back({{"interface", interface},
                       {"state", to_string(status.state)},
                       {"message", status.message},
                       {"sources", patterns},
                       {"sessions", users}});
  }
  for (const auto& [name, session] : sessions) enabled += session.enabled ? 1 : 0;
  const auto problems = agent.problems();
  return {{"version", VXTAP_VERSION},
          {"kernel", kernel.release},
          {"attach", to_string(agent.attach_mode())},
          {"uptime_seconds", agent.uptime().count()},
          {"healthy", problems.empty()},
          {"tunnel", {{"device", kTunnelDevice}, {"port", agent.settings().tunnel_port}}},
          {"sessions", {{"total", sessions.size()}, {"enabled", enabled}}},
          {"session_states", session_states(agent)},
          {"sources", sources},
          {"destinations", destinations_report(agent)},
          {"problems", problems}};
}

ordered_json plan_report(const Plan& plan, bool dry_run) {
  const auto action = [](Change::Action a) {
    switch (a) {
      case Change::Action::create:
        return "create";
      case Change::Action::change:
        return "change";
      case Change::Action::remove:
        return "delete";
      case Change::Action::unchanged:
        break;
    }
    return "unchanged";
  };
  auto changes = ordered_json::array();
  for (const auto& change : plan.changes) {
    changes.push_back(
        {{"action", action(change.action)}, {"kind", change.kind}, {"name", change.name}});
  }
  return {{"dry_run", dry_run}, {"changes", changes}, {"warnings", plan.warnings}};
}

}  // namespace vxtap

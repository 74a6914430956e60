#include "agent/api/session_state.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/model/value.h"

namespace vxtap {
namespace {

struct State {
  const char* word;
  std::string message;
};

State state_of(const Agent& agent, const Session& session, size_t active,
               const std::map<Address, std::string>& problems) {
  if (!session.enabled) return {"stopped", "'vxtap session start' begins to mirror"};
  const auto& rules = agent.configuration().filters.at(session.filter)->rules;
  if (rules[0].empty() && rules[1].empty()) {
    return {"waiting", "its filter '" + session.filter + "' has no rules: see 'vxtap rule add'"};
  }
  if (session.sources.empty()) return {"waiting", "it has no sources: see 'vxtap attach'"};
  if (active == 0) return {"waiting", "none of its sources is active"};
  const auto problem = problems.find(session.destination);
  if (problem != problems.end()) return {"impaired", problem->second};
  return {"mirroring", ""};
}

}  // namespace

nlohmann::ordered_json session_states(Agent& agent) {
  const auto problems = agent.collector_problems();
  auto states = nlohmann::ordered_json::array();
  for (const auto& [name, session] : agent.configuration().sessions) {
    const auto sources = agent.sources_of(session);
    const auto active = static_cast<size_t>(std::count_if(
        sources.begin(), sources.end(),
        [](const SessionSource& source) { return source.status.state == SourceState::active; }));
    const auto state = state_of(agent, session, active, problems);
    states.push_back({{"name", name},
                      {"state", state.word},
                      {"message", state.message},
                      {"destination", to_string(session.destination)},
                      {"vni", session.vni.value()},
                      {"sources", sources.size()},
                      {"active_sources", active}});
  }
  return states;
}

}  // namespace vxtap

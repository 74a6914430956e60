#include "tests/bpf/reference.h"

#include <algorithm>

namespace vxtap::test {
namespace {

constexpr uint8_t kUdp = 17;
constexpr uint16_t kTunnelPort = 4789;

std::vector<const Session*> enabled_sessions(const Configuration& configuration,
                                             const std::string& interface) {
  std::vector<const Session*> sessions;
  for (const auto& [name, session] : configuration.sessions) {
    const auto& sources = session.sources;
    if (!session.enabled) continue;
    if (std::find(sources.begin(), sources.end(), interface) == sources.end()) continue;
    sessions.push_back(&session);
  }
  std::sort(sessions.begin(), sessions.end(),
            [](const Session* a, const Session* b) { return a->priority < b->priority; });
  return sessions;
}

// A fragment whose port is not known may be one of a copy, on its way to a collector.
bool is_own(const Configuration& configuration, const Sample& sample) {
  const auto& fields = *sample.fields;
  const bool to_tunnel = fields.ports && fields.ports->destination == kTunnelPort;
  if (fields.protocol != kUdp || !(to_tunnel || fields.ports_unknown)) return false;
  return std::any_of(
      configuration.sessions.begin(), configuration.sessions.end(),
      [&](const auto& entry) { return entry.second.destination == fields.destination; });
}

}  // namespace

Expectation expect_of(const Configuration& configuration, const std::string& interface,
                      const Sample& sample) {
  const auto sessions = enabled_sessions(configuration, interface);
  if (sessions.empty()) return {Expectation::Kind::no_source, {}};
  if (!sample.fields) return {Expectation::Kind::skipped, {}};
  if (is_own(configuration, sample)) return {Expectation::Kind::own, {}};
  Expectation expectation;
  for (const Session* session : sessions) {
    const auto& rules = configuration.filters.at(session->filter)->of(sample.direction);
    const auto decision = decide(rules, *sample.fields);
    expectation.tried.push_back({session, decision});
    if (decision.doubtful || (decision.rule != nullptr && !session->fall_through)) break;
  }
  return expectation;
}

}  // namespace vxtap::test

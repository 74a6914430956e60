#include "agent/model/plan.h"

#include <algorithm>
#include <set>

#include "agent/model/value.h"

namespace vxtap {
namespace {

template <class Object>
void remove_others(std::map<std::string, Object>& result, const std::set<std::string>& names,
                   const char* kind, std::vector<Change>& changes) {
  std::erase_if(result, [&](const auto& entry) {
    if (names.contains(entry.first)) return false;
    changes.push_back({Change::Action::remove, kind, entry.first});
    return true;
  });
}

template <class Object>
std::set<std::string> names_of(const std::vector<Object>& objects) {
  std::set<std::string> names;
  for (const auto& object : objects) names.insert(object.name);
  return names;
}

// In two rounds, so that no session is given a VNI that a later one of the document asks for.
void settle_vnis(Configuration& result, const Configuration& current, const DrawVni& draw_vni) {
  std::set<uint32_t> used;
  for (auto& [name, session] : result.sessions) {
    const auto before = current.sessions.find(name);
    if (!session.vni && before != current.sessions.end()) session.vni = before->second.vni;
    if (session.vni) used.insert(*session.vni);
  }
  for (auto& [name, session] : result.sessions) {
    while (!session.vni) {
      const uint32_t vni = draw_vni();
      if (used.insert(vni).second) session.vni = vni;
    }
  }
}

// A filter that says the same as before stays the same object, and what was compiled from it holds.
void put_filter(Plan& plan, const Configuration& current, Filter filter) {
  for (auto& rules : filter.rules) {
    std::sort(rules.begin(), rules.end(),
              [](const Rule& a, const Rule& b) { return a.priority < b.priority; });
  }
  const auto before = current.filters.find(filter.name);
  auto action = Change::Action::create;
  if (before != current.filters.end()) {
    action = *before->second == filter ? Change::Action::unchanged : Change::Action::change;
  }
  plan.changes.push_back({action, "filter", filter.name});
  if (action == Change::Action::unchanged) return;
  const auto name = filter.name;
  plan.result.filters[name] = std::make_shared<const Filter>(std::move(filter));
}

// All sessions at once: what one of them may have depends on the others.
void put_sessions(Plan& plan, const Configuration& current, const std::vector<Session>& sessions,
                  const std::vector<Place>& places, const DrawVni& draw_vni) {
  for (size_t i = 0; i < sessions.size(); ++i) {
    plan.result.sessions.insert_or_assign(sessions[i].name, sessions[i]);
    plan.given.emplace_back(sessions[i].name, places[i].text());
  }
  validate_relations(sessions, plan.result, places);
  settle_vnis(plan.result, current, draw_vni);
  for (const auto& session : sessions) {
    const auto before = current.sessions.find(session.name);
    const auto& settled = plan.result.sessions.at(session.name);
    auto action = Change::Action::create;
    if (before != current.sessions.end()) {
      action = before->second == settled ? Change::Action::unchanged : Change::Action::change;
    }
    plan.changes.push_back({action, "session", session.name});
    for (const auto& note : notes_on(settled, plan.result)) {
      plan.warnings.push_back("session '" + session.name + "' " + note);
    }
  }
}

}  // namespace

Plan make_plan(const Configuration& current, Document document, bool prune, const Limits& limits,
               const DrawVni& draw_vni) {
  validate(document, limits);
  Plan plan{current, {}, {}};
  if (prune) {
    remove_others(plan.result.sessions, names_of(document.sessions), "session", plan.changes);
    remove_others(plan.result.filters, names_of(document.filters), "filter", plan.changes);
  }
  for (auto& filter : document.filters) put_filter(plan, current, std::move(filter));
  const Place root;
  const Place list(root, "sessions");
  std::vector<Place> places;
  for (size_t i = 0; i < document.sessions.size(); ++i) places.emplace_back(list, i);
  put_sessions(plan, current, document.sessions, places, draw_vni);
  return plan;
}

Plan plan_filter(const Configuration& current, Filter filter, const Limits& limits) {
  validate(filter, limits, Place());
  Plan plan{current, {}, {}};
  put_filter(plan, current, std::move(filter));
  return plan;
}

Plan plan_session(const Configuration& current, Session session, const DrawVni& draw_vni) {
  validate(session, Place());
  Plan plan{current, {}, {}};
  put_sessions(plan, current, {std::move(session)}, {Place()}, draw_vni);
  return plan;
}

std::vector<std::string> notes_on(const Session& session, const Configuration& configuration) {
  std::vector<std::string> notes;
  const auto& rules = configuration.filters.at(session.filter)->rules;
  if (rules[0].empty() && rules[1].empty()) {
    notes.push_back("mirrors nothing: its filter '" + session.filter + "' has no rules");
  }
  for (const auto& [name, other] : configuration.sessions) {
    if (other.vni != session.vni || other.destination != session.destination ||
        name == session.name) {
      continue;
    }
    notes.push_back("shares VNI " + std::to_string(session.vni.value()) + " and destination " +
                    to_string(session.destination) + " with session '" + name + "'");
  }
  return notes;
}

}  // namespace vxtap

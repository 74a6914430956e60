#include "agent/plan.h"

#include <algorithm>
#include <set>

#include "agent/validate.h"
#include "agent/value.h"

namespace vxtap {
namespace {

template <class Object>
Change change_of(const std::map<std::string, Object>& current, const Object& object,
                 const char* kind) {
  const auto before = current.find(object.name);
  if (before == current.end()) return {Change::Action::create, kind, object.name};
  const bool same = before->second == object;
  return {same ? Change::Action::unchanged : Change::Action::change, kind, object.name};
}

template <class Object>
void remove_others(std::map<std::string, Object>& result, const std::vector<Object>& wanted,
                   const char* kind, std::vector<Change>& changes) {
  std::set<std::string> names;
  for (const auto& object : wanted) names.insert(object.name);
  std::erase_if(result, [&](const auto& entry) {
    if (names.contains(entry.first)) return false;
    changes.push_back({Change::Action::remove, kind, entry.first});
    return true;
  });
}

uint32_t free_vni(const Configuration& configuration, const DrawVni& draw_vni) {
  for (;;) {
    const uint32_t vni = draw_vni();
    const bool used = std::any_of(configuration.sessions.begin(), configuration.sessions.end(),
                                  [&](const auto& entry) { return entry.second.vni == vni; });
    if (!used) return vni;
  }
}

// In two rounds, so that no session is given a VNI that a later one of the document asks for.
void settle_vnis(Plan& plan, const Configuration& current, const DrawVni& draw_vni) {
  for (auto& [name, session] : plan.result.sessions) {
    const auto before = current.sessions.find(name);
    if (!session.vni && before != current.sessions.end()) session.vni = before->second.vni;
  }
  for (auto& [name, session] : plan.result.sessions) {
    if (!session.vni) session.vni = free_vni(plan.result, draw_vni);
  }
}

void warn(Plan& plan, const Document& document) {
  for (const auto& written : document.sessions) {
    const auto& session = plan.result.sessions.at(written.name);
    const auto& rules = plan.result.filters.at(session.filter).rules;
    if (rules[0].empty() && rules[1].empty()) {
      plan.warnings.push_back("session '" + session.name + "' mirrors nothing: its filter '" +
                              session.filter + "' has no rules");
    }
    for (const auto& [name, other] : plan.result.sessions) {
      if (name == session.name || other.vni != session.vni ||
          other.destination != session.destination) {
        continue;
      }
      plan.warnings.push_back("session '" + session.name + "' shares VNI " +
                              std::to_string(*session.vni) + " and destination " +
                              to_string(session.destination) + " with session '" + name + "'");
    }
  }
}

}  // namespace

Plan make_plan(const Configuration& current, const Document& document, bool prune,
               const DrawVni& draw_vni) {
  Plan plan{current, {}, {}};
  if (prune) {
    remove_others(plan.result.sessions, document.sessions, "session", plan.changes);
    remove_others(plan.result.filters, document.filters, "filter", plan.changes);
  }
  for (auto filter : document.filters) {
    for (auto& rules : filter.rules) {
      std::sort(rules.begin(), rules.end(),
                [](const Rule& a, const Rule& b) { return a.priority < b.priority; });
    }
    plan.changes.push_back(change_of(current.filters, filter, "filter"));
    plan.result.filters.insert_or_assign(filter.name, std::move(filter));
  }
  for (const auto& session : document.sessions) {
    plan.result.sessions.insert_or_assign(session.name, session);
  }
  validate_relations(document, plan.result);
  settle_vnis(plan, current, draw_vni);
  for (const auto& session : document.sessions) {
    plan.changes.push_back(
        change_of(current.sessions, plan.result.sessions.at(session.name), "session"));
  }
  warn(plan, document);
  return plan;
}

}  // namespace vxtap

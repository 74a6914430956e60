#include "agent/model/edit.h"

#include <algorithm>

#include "agent/error.h"
#include "agent/model/source.h"

namespace vxtap::edit {
namespace {

// For changes of a session that has its VNI.
uint32_t no_vni() {
  throw Error(Error::Kind::internal, "Internal", "a session without a VNI");
}

std::string quoted(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text.append(text.empty() ? "'" : ", '").append(name).append("'");
  return text;
}

[[noreturn]] void name_taken(const char* kind, const std::string& name) {
  throw Error(Error::Kind::conflict, "NameTaken",
              std::string("must be unique: there is a ") + kind + " of that name already", "name",
              name);
}

auto position(std::vector<std::string>& sources, const std::string& text) {
  return std::find_if(sources.begin(), sources.end(), [&](const std::string& source) {
    return parse_source(source).name == parse_source(text).name;
  });
}

auto position(std::vector<Rule>& rules, uint32_t priority) {
  return std::find_if(rules.begin(), rules.end(),
                      [&](const Rule& rule) { return rule.priority == priority; });
}

void put_rule(Filter& filter, const DirectedRule& directed, const Limits& limits) {
  validate(directed.rule, Place());
  auto& rules = filter.of(directed.direction);
  if (position(rules, directed.rule.priority) != rules.end()) {
    throw Error(Error::Kind::conflict, "PriorityTaken",
                std::string("must be unique: filter '") + filter.name + "' has an " +
                    to_string(directed.direction) + " rule of that priority already",
                "priority", std::to_string(directed.rule.priority));
  }
  rules.push_back(directed.rule);
  if (rules.size() > limits.rules_per_direction) {
    throw Error(Error::Kind::invalid, "TooManyRules",
                "filter '" + filter.name + "' has the " +
                    std::to_string(limits.rules_per_direction) +
                    " rules that a direction may have (a setting of the daemon, "
                    "limits.rules_per_direction)",
                "direction", to_string(directed.direction));
  }
}

}  // namespace

const SharedFilter& find_filter(const Configuration& configuration, const std::string& name) {
  const auto found = configuration.filters.find(name);
  if (found == configuration.filters.end()) {
    throw Error(Error::Kind::not_found, "FilterNotFound", "there is no such filter", "filter",
                name);
  }
  return found->second;
}

const Session& find_session(const Configuration& configuration, const std::string& name) {
  const auto found = configuration.sessions.find(name);
  if (found == configuration.sessions.end()) {
    throw Error(Error::Kind::not_found, "SessionNotFound", "there is no such session", "session",
                name);
  }
  return found->second;
}

const Rule& find_rule(const Filter& filter, Direction direction, uint32_t priority) {
  const auto& rules = filter.of(direction);
  const auto found = std::lower_bound(rules.begin(), rules.end(), priority,
                                      [](const Rule& r, uint32_t p) { return r.priority < p; });
  if (found == rules.end() || found->priority != priority) {
    throw Error(
        Error::Kind::not_found, "RuleNotFound",
        "filter '" + filter.name + "' has no " + to_string(direction) + " rule of that priority",
        "priority", std::to_string(priority));
  }
  return *found;
}

std::vector<std::string> sessions_of(const Configuration& configuration,
                                     const std::string& filter) {
  std::vector<std::string> names;
  for (const auto& [name, session] : configuration.sessions) {
    if (session.filter == filter) names.push_back(name);
  }
  return names;
}

Plan create_filter(const Configuration& current, Filter filter, const Limits& limits) {
  if (current.filters.contains(filter.name)) name_taken("filter", filter.name);
  return plan_filter(current, std::move(filter), limits);
}

Plan remove_filter(const Configuration& current, const std::string& name) {
  find_filter(current, name);
  const auto users = sessions_of(current, name);
  if (!users.empty()) {
    throw Error(Error::Kind::conflict, "FilterInUse",
                "filter '" + name + "' is used by session" + (users.size() > 1 ? "s " : " ") +
                    quoted(users),
                "name", name);
  }
  Plan plan{current, {{Change::Action::remove, "filter", name}}, {}};
  plan.result.filters.erase(name);
  return plan;
}

Plan create_rule(const Configuration& current, const std::string& filter, const DirectedRule& rule,
                 const Limits& limits) {
  auto changed = *find_filter(current, filter);
  put_rule(changed, rule, limits);
  return plan_filter(current, std::move(changed), limits);
}

Plan replace_rule(const Configuration& current, const std::string& filter, uint32_t priority,
                  const DirectedRule& rule, const Limits& limits) {
  auto changed = *find_filter(current, filter);
  find_rule(changed, rule.direction, priority);
  auto& rules = changed.of(rule.direction);
  rules.erase(position(rules, priority));
  put_rule(changed, rule, limits);
  return plan_filter(current, std::move(changed), limits);
}

Plan remove_rule(const Configuration& current, const std::string& filter, Direction direction,
                 uint32_t priority) {
  auto changed = *find_filter(current, filter);
  find_rule(changed, direction, priority);
  auto& rules = changed.of(direction);
  rules.erase(position(rules, priority));
  // A filter that has more rules than a limit that was lowered must still be able to shrink.
  return plan_filter(current, std::move(changed), {SIZE_MAX});
}

Plan create_session(const Configuration& current, Session session, const DrawVni& draw_vni) {
  if (current.sessions.contains(session.name)) name_taken("session", session.name);
  return plan_session(current, std::move(session), draw_vni);
}

Plan remove_session(const Configuration& current, const std::string& name) {
  find_session(current, name);
  Plan plan{current, {{Change::Action::remove, "session", name}}, {}};
  plan.result.sessions.erase(name);
  return plan;
}

Plan set_enabled(const Configuration& current, const std::string& session, bool enabled) {
  auto changed = find_session(current, session);
  changed.enabled = enabled;
  return plan_session(current, std::move(changed), no_vni);
}

Plan add_sources(const Configuration& current, const std::string& session,
                 const std::vector<std::string>& interfaces) {
  auto changed = find_session(current, session);
  auto& sources = changed.sources;
  const Place root;
  const Place list(root, "sources");
  for (size_t i = 0; i < interfaces.size(); ++i) {
    const auto& interface = interfaces[i];
    validate_source(interface, Place(list, i));
    const auto known = position(sources, interface);
    if (known == sources.end()) {
      sources.push_back(interface);
    } else {
      *known = interface;
    }
  }
  return plan_session(current, std::move(changed), no_vni);
}

Plan remove_sources(const Configuration& current, const std::string& session,
                    const std::vector<std::string>& interfaces) {
  auto changed = find_session(current, session);
  for (const auto& interface : interfaces) {
    const auto known = position(changed.sources, interface);
    if (known != changed.sources.end()) {
      changed.sources.erase(known);
      continue;
    }
    throw Error(Error::Kind::not_found, "SourceNotFound",
                "is not a source of session '" + session + "'", "interface", interface);
  }
  return plan_session(current, std::move(changed), no_vni);
}

}  // namespace vxtap::edit

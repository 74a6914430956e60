#include "agent/accounts.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <unordered_map>

#include "agent/kept_counters.h"
#include "agent/model/source.h"

namespace vxtap {
namespace {

constexpr const char* kGone = "gone interfaces";  // no name of one: it holds a blank
constexpr size_t kMostGone = 100;

bool has_rule(const Filter& filter, uint32_t rule_id) {
  const uint32_t priority = rule_id & 0x7fffffff;
  const auto& rules = filter.of(static_cast<Direction>(rule_id >> 31));
  const auto found = std::lower_bound(rules.begin(), rules.end(), priority,
                                      [](const Rule& r, uint32_t p) { return r.priority < p; });
  return found != rules.end() && found->priority == priority;
}

bool filters_differ(const Configuration& before, const Configuration& now) {
  return std::any_of(before.filters.begin(), before.filters.end(), [&](const auto& entry) {
    const auto found = now.filters.find(entry.first);
    return found == now.filters.end() || found->second != entry.second;
  });
}

}  // namespace

Accounts::Accounts(const Pins& pins, const Store& store, Counters& counters)
    : counters_(counters),
      names_(pins.enabled() ? NumberNames(pins.names()) : NumberNames()),
      ids_(known_names(store)) {}

Ids::Names Accounts::known_names(const Store& store) {
  auto names = names_.read();
  const auto text = names.empty() ? store.kept_counters() : "";
  if (text.empty()) return names;
  try {
    const auto kept = parse_kept_counters(text);
    counters_.restore(kept.totals);
    names_.write(kept.names);
    return kept.names;
  } catch (const std::exception& error) {
    spdlog::error("counters begin at zero: {}", error.what());
    return names;
  }
}

void Accounts::open(const Configuration& configuration) {
  for (const auto& [name, session] : configuration.sessions) {
    for (const auto& text : session.sources) {
      const auto source = parse_source(text);
      if (source.is_name()) ids_.counter(name, source.name);
    }
  }
}

void Accounts::close_gone(const Configuration& before, const Configuration& now) {
  const auto gone = ids_.keep_only(now);
  names_.forget(gone);
  if (!gone.empty() || filters_differ(before, now)) forget_unknown(now);
}

void Accounts::close_unknown(const Configuration& configuration) {
  names_.forget(ids_.keep_only(configuration));
  forget_unknown(configuration);
}

void Accounts::forget_unknown(const Configuration& configuration) {
  std::unordered_map<uint32_t, const Filter*> filters;  // by session_id
  for (const auto& [name, session] : configuration.sessions) {
    filters.emplace(session_id(session), configuration.filters.at(session.filter).get());
  }
  counters_.forget([&](uint32_t number) { return !ids_.knows(number); },
                   [&](mirror_rule_counter_key key) {
                     const auto filter = filters.find(key.session_id);
                     return filter == filters.end() || !has_rule(*filter->second, key.rule_id);
                   });
}

void Accounts::fold_gone(const Configuration& configuration, const InterfacesOf& present) {
  std::set<uint32_t> forgotten;
  for (const auto& [name, session] : configuration.sessions) {
    auto gone = ids_.counted_sources(name);
    if (gone.size() <= kMostGone) continue;
    for (const auto& interface : present(session)) gone.erase(interface);
    gone.erase(kGone);
    if (gone.size() <= kMostGone) continue;
    const uint32_t number = ids_.counter(name, kGone);
    keep_names();
    for (const auto& interface : gone) {
      counters_.fold(ids_.counter(name, interface), number);
      forgotten.insert(ids_.forget_counter(name, interface));
    }
  }
  if (forgotten.empty()) return;
  names_.forget(forgotten);
  close_unknown(configuration);
}

std::string Accounts::kept_text() const {
  return to_text({names_.read(), counters_.totals()});
}

mirror_counters Accounts::of(const std::string& session, const std::string& interface,
                             Direction direction) const {
  return counters_.of(ids_.counter(session, interface), direction);
}

mirror_source_counters Accounts::of_source(const std::string& interface) const {
  return counters_.of_source(ids_.source(interface));
}

}  // namespace vxtap

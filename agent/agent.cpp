#include "agent/agent.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "agent/error.h"

namespace vxtap {
namespace {

bool same_bytes(const mirror_destination& a, const mirror_destination& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

template <class Element>
bool same_bytes(const std::vector<Element>& a, const std::vector<Element>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Element)) == 0);
}

bool same(const CompiledConfiguration& a, const CompiledConfiguration& b) {
  const auto same_destinations =
      std::equal(a.destinations.begin(), a.destinations.end(), b.destinations.begin(),
                 b.destinations.end(), [](const auto& x, const auto& y) {
                   return x.first == y.first && same_bytes(x.second, y.second);
                 });
  return same_destinations && a.collectors == b.collectors && same_bytes(a.slots, b.slots) &&
         a.rule_tables == b.rule_tables;
}

bool has_rule(const Filter& filter, uint32_t rule_id) {
  const uint32_t priority = rule_id & 0x7fffffff;
  const auto& rules = filter.of(static_cast<Direction>(rule_id >> 31));
  const auto found = std::lower_bound(rules.begin(), rules.end(), priority,
                                      [](const Rule& r, uint32_t p) { return r.priority < p; });
  return found != rules.end() && found->priority == priority;
}

// Those of the plan, and one for each source of its sessions that is not active.
std::vector<std::string> warnings_of(const Plan& plan,
                                     const std::map<std::string, SourceStatus>& states) {
  std::set<std::string> interfaces;
  for (const auto& change : plan.changes) {
    const auto session = plan.result.sessions.find(change.name);
    if (change.kind != "session" || session == plan.result.sessions.end()) continue;
    interfaces.insert(session->second.sources.begin(), session->second.sources.end());
  }
  auto warnings = plan.warnings;
  for (const auto& interface : interfaces) {
    const auto& status = states.at(interface);
    if (status.state == SourceState::active) continue;
    warnings.push_back("source '" + interface + "' is " + to_string(status.state) + ": " +
                       status.message);
  }
  return warnings;
}

}  // namespace

Agent::Agent(const Settings& settings, const std::filesystem::path& state_directory)
    : settings_(settings),
      store_(state_directory),
      underlay_(network_),
      tunnel_(network_, settings.tunnel_port),
      datapath_(settings.tunnel_port),
      configuration_(store_.take_configuration()) {
  if (attach_mode() == AttachMode::clsact) {
    for (const auto& link : network_.links()) sweep_clsact(link.ifindex);
  }
  datapath_.use_devices(tunnel_.devices());
  datapath_.publish(published_);
  reconcile();
}

std::vector<std::string> Agent::check(const Plan& plan) {
  const auto addresses = network_.addresses();
  refuse_conflicts(configuration_, plan, addresses);
  return warnings_of(plan, source_states(plan.result, network_.links(), addresses));
}

void Agent::commit(const Plan& plan, const Finish& finish) {
  refuse_conflicts(configuration_, plan, network_.addresses());
  const Configuration before = configuration_;
  store_.begin();
  try {
    store_.write(before, plan.result);
    configuration_ = plan.result;
    reconcile();
    finish(warnings_of(plan, sources_), store_);
    store_.commit();
  } catch (...) {
    take_back(before);
    throw;
  }
  forget_counters(before);
}

void Agent::take_back(const Configuration& before) noexcept {
  store_.rollback();
  configuration_ = before;
  on_network_change();
}

// A session or a rule that is gone takes its counters with it: one of the same name or priority
// that comes later counts from zero.
void Agent::forget_counters(const Configuration& before) {
  rule_tables_.keep_only(configuration_);
  const auto gone = ids_.keep_only(configuration_);
  std::erase_if(counted_,
                [&](const auto& entry) { return !configuration_.sessions.contains(entry.first); });
  const bool filters_changed =
      std::any_of(before.filters.begin(), before.filters.end(), [&](const auto& entry) {
        const auto now = configuration_.filters.find(entry.first);
        return now == configuration_.filters.end() || now->second != entry.second;
      });
  if (gone.empty() && !filters_changed) return;
  std::unordered_map<uint32_t, const Filter*> filters;  // by session_id
  for (const auto& [name, session] : configuration_.sessions) {
    filters.emplace(session_id(session), configuration_.filters.at(session.filter).get());
  }
  datapath_.forget_counters([&](uint32_t counter_id) { return gone.contains(counter_id); },
                            [&](mirror_rule_counter_key key) {
                              const auto filter = filters.find(key.session_id);
                              return filter == filters.end() ||
                                     !has_rule(*filter->second, key.rule_id);
                            });
}

void Agent::on_network_change() {
  underlay_.forget();
  try {
    reconcile();
  } catch (const Error& error) {
    spdlog::error("following a change of the network: {}", error.what());
  }
}

void Agent::on_tick() {
  try {
    underlay_.look_for_neighbours();
  } catch (const Error& error) {
    spdlog::error("looking for collectors: {}", error.what());
  }
}

void Agent::reconcile() {
  const auto links = network_.links();
  if (tunnel_.restore(links)) {
    spdlog::warn("the tunnel's devices were gone and have been made anew");
    datapath_.use_devices(tunnel_.devices());
  }
  const auto addresses = network_.addresses();
  refresh_sources(links, addresses);
  auto compiled = compile(configuration_, surroundings(links, addresses), ids_, rule_tables_);
  if (!same(compiled, published_)) {
    datapath_.publish(compiled);
    published_ = compiled;
  }
  for (const auto& [name, session] : configuration_.sessions) {
    counted_[name].insert(session.sources.begin(), session.sources.end());
  }
  update_hooks(links, compiled);
}

void Agent::refresh_sources(const std::vector<Link>& links, const AddressesByInterface& addresses) {
  auto states = source_states(configuration_, links, addresses);
  for (const auto& [interface, status] : states) {
    const auto before = sources_.find(interface);
    if (before != sources_.end() && before->second.state == status.state) continue;
    const bool good = status.state == SourceState::active;
    spdlog::log(good ? spdlog::level::info : spdlog::level::warn, "source {}: {}{}{}", interface,
                to_string(status.state), good ? "" : ", ", status.message);
  }
  sources_ = std::move(states);
}

Surroundings Agent::surroundings(const std::vector<Link>& links,
                                 const AddressesByInterface& addresses) {
  Surroundings result;
  for (const auto& link : links) {
    if (source_status(link.name).state == SourceState::active) {
      result.interfaces[link.name] = {link.ifindex, has_ethernet_header(link)};
    }
  }
  for (const auto& [interface, owned] : addresses) {
    result.host_addresses.insert(owned.begin(), owned.end());
  }
  std::set<Address> destinations;
  for (const auto& [name, session] : configuration_.sessions) {
    if (session.enabled) destinations.insert(session.destination);
  }
  underlay_.use(destinations, links);
  result.paths = underlay_.paths();
  return result;
}

void Agent::update_hooks(const std::vector<Link>& links, const CompiledConfiguration& compiled) {
  const std::set<uint32_t> wanted(compiled.hooked.begin(), compiled.hooked.end());
  for (const uint32_t ifindex : datapath_.attached()) {
    if (!wanted.contains(ifindex)) datapath_.detach(ifindex);
  }
  for (const uint32_t ifindex : wanted) {
    try {
      datapath_.attach(ifindex);
    } catch (const Error& error) {
      // The other sources go on; the next change of the network tries again.
      const auto link = std::find_if(links.begin(), links.end(),
                                     [&](const Link& l) { return l.ifindex == ifindex; });
      sources_[link->name] = {SourceState::error, error.what()};
      spdlog::error("source {}: {}", link->name, error.what());
    }
  }
}

SourceStatus Agent::source_status(const std::string& interface) const {
  const auto found = sources_.find(interface);
  return found == sources_.end() ? SourceStatus{} : found->second;
}

std::vector<std::string> Agent::problems() {
  auto problems = store_.problems();
  const auto unreachable = underlay_.problems();
  for (const auto& [name, session] : configuration_.sessions) {
    const auto problem = unreachable.find(session.destination);
    if (session.enabled && problem != unreachable.end()) {
      problems.push_back("session '" + name + "': " + problem->second);
    }
  }
  for (const auto& [interface, status] : sources_) {
    if (status.state != SourceState::active) {
      problems.push_back("source '" + interface + "' is " + to_string(status.state) + ": " +
                         status.message);
    }
  }
  return problems;
}

mirror_counters Agent::counters(const std::string& session, const std::string& interface,
                                Direction direction) const {
  return datapath_.counters(ids_.counter(session, interface), direction);
}

mirror_source_counters Agent::source_counters(const std::string& interface) const {
  return datapath_.source_counters(ids_.source(interface));
}

std::set<std::string> Agent::counted_sources(const std::string& session) const {
  const auto found = counted_.find(session);
  return found == counted_.end() ? std::set<std::string>{} : found->second;
}

std::chrono::seconds Agent::uptime() const {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() -
                                                          started_);
}

}  // namespace vxtap

#include "agent/agent.h"

#include <net/if_arp.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "agent/error.h"
#include "agent/value.h"

namespace vxtap {
namespace {

uint32_t draw_vni() {
  static std::random_device device;
  return std::uniform_int_distribution<uint32_t>(1, 0xffffff)(device);
}

std::set<std::string> all_sources(const Configuration& configuration) {
  std::set<std::string> sources;
  for (const auto& [name, session] : configuration.sessions) {
    sources.insert(session.sources.begin(), session.sources.end());
  }
  return sources;
}

bool has_ethernet_header(const Link& link) {
  return link.arp_type == ARPHRD_ETHER || link.arp_type == ARPHRD_LOOPBACK;
}

template <class Element>
bool same_bytes(const std::vector<Element>& a, const std::vector<Element>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Element)) == 0);
}

bool same(const CompiledConfiguration& a, const CompiledConfiguration& b) {
  const auto same_destinations = std::equal(
      a.destinations.begin(), a.destinations.end(), b.destinations.begin(), b.destinations.end(),
      [](const auto& x, const auto& y) { return x.first == y.first; });
  return same_destinations && same_bytes(a.slots, b.slots) &&
         std::equal(a.rule_tables.begin(), a.rule_tables.end(), b.rule_tables.begin(),
                    b.rule_tables.end(), same_bytes<mirror_rule>);
}

// The interface of the session that owns a destination's address, if there is one (SPEC §2.10).
const Session* destination_on(const std::vector<Address>& addresses,
                              const Configuration& configuration) {
  for (const auto& [name, session] : configuration.sessions) {
    if (std::find(addresses.begin(), addresses.end(), session.destination) != addresses.end()) {
      return &session;
    }
  }
  return nullptr;
}

}  // namespace

const char* to_string(SourceState state) {
  switch (state) {
    case SourceState::active:
      return "active";
    case SourceState::pending:
      return "pending";
    case SourceState::paused:
      return "paused";
    case SourceState::error:
      break;
  }
  return "error";
}

Agent::Agent(const Settings& settings)
    : settings_(settings),
      tunnel_(network_, settings.tunnel_port),
      datapath_(settings.tunnel_port) {
  if (attach_mode() == AttachMode::clsact) {
    for (const auto& link : network_.links()) sweep_clsact(link.ifindex);
  }
  datapath_.use_devices(tunnel_.devices());
  datapath_.publish(published_);
}

Plan Agent::apply(const Document& document, bool dry_run, bool prune) {
  validate(document, settings_.limits);
  auto plan = make_plan(configuration_, document, prune, draw_vni);
  refuse_conflicts(plan.result);
  if (!dry_run) commit(plan.result);
  std::vector<std::string> interfaces;
  for (const auto& session : document.sessions) {
    interfaces.insert(interfaces.end(), session.sources.begin(), session.sources.end());
  }
  if (!dry_run) {
    for (auto& warning : source_warnings(interfaces)) plan.warnings.push_back(std::move(warning));
  }
  return plan;
}

const Session& Agent::session(const std::string& name) const {
  const auto found = configuration_.sessions.find(name);
  if (found == configuration_.sessions.end()) {
    throw Error(Error::Kind::not_found, "SessionNotFound", "there is no session '" + name + "'",
                "session", name);
  }
  return found->second;
}

std::vector<std::string> Agent::set_enabled(const std::string& name, bool enabled) {
  const auto sources = session(name).sources;  // a copy: the session itself is replaced
  auto changed = configuration_;
  changed.sessions.at(name).enabled = enabled;
  commit(std::move(changed));
  return enabled ? source_warnings(sources) : std::vector<std::string>{};
}

std::vector<std::string> Agent::add_source(const std::string& name, const std::string& interface) {
  auto changed = session(name);
  const bool known =
      std::find(changed.sources.begin(), changed.sources.end(), interface) != changed.sources.end();
  if (!known) {
    changed.sources.push_back(interface);
    // The same rules as for a document, so that an interface's name is checked in one place.
    validate(Document{{}, {changed}}, settings_.limits);
    auto configuration = configuration_;
    configuration.sessions.at(name) = changed;
    refuse_conflicts(configuration);
    commit(std::move(configuration));
  }
  return source_warnings({interface});
}

std::vector<std::string> Agent::remove_source(const std::string& name,
                                              const std::string& interface) {
  auto changed = configuration_;
  session(name);
  if (std::erase(changed.sessions.at(name).sources, interface) == 0) {
    throw Error(Error::Kind::not_found, "SourceNotFound",
                "'" + interface + "' is not a source of session '" + name + "'", "interface",
                interface);
  }
  commit(std::move(changed));
  return {};
}

void Agent::commit(Configuration configuration) {
  std::swap(configuration_, configuration);
  try {
    reconcile();
  } catch (...) {
    std::swap(configuration_, configuration);
    reconcile();
    throw;
  }
  for (const auto& [name, session] : configuration.sessions) {
    if (configuration_.sessions.contains(name)) continue;
    ids_.forget_session(name);
    counted_.erase(name);
  }
}

void Agent::on_network_change() {
  try {
    reconcile();
  } catch (const Error& error) {
    spdlog::error("following a change of the network: {}", error.what());
  }
}

void Agent::reconcile() {
  const auto links = network_.links();
  if (tunnel_.restore(links)) {
    spdlog::warn("the tunnel's devices were gone and have been made anew");
    datapath_.use_devices(tunnel_.devices());
  }
  refresh_sources(links);
  auto compiled = compile(configuration_, surroundings(links), ids_);
  if (!same(compiled, published_)) {
    datapath_.publish(compiled);
    published_ = compiled;
  }
  for (const auto& [name, session] : configuration_.sessions) {
    counted_[name].insert(session.sources.begin(), session.sources.end());
  }
  update_hooks(links, compiled);
}

void Agent::refresh_sources(const std::vector<Link>& links) {
  const auto addresses = network_.addresses();
  std::map<std::string, SourceStatus> sources;
  for (const auto& interface : all_sources(configuration_)) {
    auto& status = sources[interface];
    const auto link = std::find_if(links.begin(), links.end(),
                                   [&](const Link& l) { return l.name == interface; });
    const auto owned = addresses.find(interface);
    if (link == links.end()) {
      status = {SourceState::pending, "there is no such interface yet"};
    } else if (!has_ethernet_header(*link)) {
      status = {SourceState::error, "interfaces without Ethernet headers cannot be sources yet"};
    } else if (const auto* session = owned == addresses.end()
                                         ? nullptr
                                         : destination_on(owned->second, configuration_)) {
      status = {SourceState::paused, "the interface owns " + to_string(session->destination) +
                                         ", the destination of session '" + session->name + "'"};
    } else {
      status = {SourceState::active, ""};
    }
    const auto before = sources_.find(interface);
    if (before == sources_.end() || before->second.state != status.state) {
      spdlog::info("source {}: {}{}{}", interface, to_string(status.state),
                   status.message.empty() ? "" : ", ", status.message);
    }
  }
  sources_ = std::move(sources);
}

Surroundings Agent::surroundings(const std::vector<Link>& links) {
  Surroundings result;
  for (const auto& link : links) {
    const auto source = sources_.find(link.name);
    if (source != sources_.end() && source->second.state == SourceState::active) {
      result.interfaces.emplace(link.name, link.ifindex);
    }
  }
  for (const auto& [name, session] : configuration_.sessions) {
    if (!session.enabled || result.path_mtu.contains(session.destination)) continue;
    if (const auto mtu = network_.path_mtu(session.destination)) {
      result.path_mtu.emplace(session.destination, *mtu);
    }
  }
  return result;
}

void Agent::update_hooks(const std::vector<Link>& links, const CompiledConfiguration& compiled) {
  const std::set<uint32_t> wanted(compiled.hooked.begin(), compiled.hooked.end());
  for (const uint32_t ifindex : datapath_.attached()) {
    if (!wanted.contains(ifindex)) datapath_.detach(ifindex);
  }
  for (const uint32_t ifindex : wanted) {
    const auto link = std::find_if(links.begin(), links.end(),
                                   [&](const Link& l) { return l.ifindex == ifindex; });
    try {
      datapath_.attach(ifindex);
    } catch (const Error& error) {
      // The other sources go on; the next change of the network tries again.
      sources_[link->name] = {SourceState::error, error.what()};
      spdlog::error("source {}: {}", link->name, error.what());
    }
  }
}

void Agent::refuse_conflicts(const Configuration& configuration) {
  const auto addresses = network_.addresses();
  for (const auto& interface : all_sources(configuration)) {
    if (is_own_device(interface)) {
      throw Error(Error::Kind::invalid, "OwnDevice",
                  "'" + interface + "' is a device of the mirror itself and cannot be a source",
                  "sources", interface);
    }
    const auto owned = addresses.find(interface);
    if (owned == addresses.end()) continue;
    if (const auto* session = destination_on(owned->second, configuration)) {
      throw Error(Error::Kind::conflict, "SourceIsDestination",
                  "'" + interface + "' owns " + to_string(session->destination) +
                      ", the destination of session '" + session->name +
                      "', and so cannot be a source",
                  "sources", interface);
    }
  }
}

std::vector<std::string> Agent::source_warnings(const std::vector<std::string>& interfaces) const {
  std::vector<std::string> warnings;
  for (const auto& interface : interfaces) {
    const auto status = source_status(interface);
    if (status.state == SourceState::active) continue;
    warnings.push_back("source '" + interface + "' is " + to_string(status.state) + ": " +
                       status.message);
  }
  return warnings;
}

SourceStatus Agent::source_status(const std::string& interface) const {
  const auto found = sources_.find(interface);
  return found == sources_.end() ? SourceStatus{} : found->second;
}

std::vector<std::string> Agent::problems() const {
  std::vector<std::string> problems;
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

mirror_rule_counters Agent::rule_counters(const std::string& session, Direction direction,
                                          uint32_t priority) const {
  return datapath_.rule_counters(ids_.session(session), direction, priority);
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

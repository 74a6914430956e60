#include "agent/agent.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

#include "agent/error.h"
#include "agent/kernel/forwarding.h"
#include "agent/kernel/grace_periods.h"
#include "agent/model/source.h"
#include "agent/near_ends.h"

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

std::set<uint32_t> ifindexes(const std::vector<Link>& links) {
  std::set<uint32_t> result;
  for (const auto& link : links) result.insert(link.ifindex);
  return result;
}

// Why programs may not write the outer headers of any copy, or empty if they may.
std::string no_encapsulation(const Settings& settings, AttachMode mode) {
  if (settings.kernel_encapsulation) return "the setting 'encapsulation' says so";
  if (mode == AttachMode::clsact) return "this kernel has no TCX, which came with 6.6";
  return "";
}

const char* remedy(SourceState state) {
  switch (state) {
    case SourceState::pending:
      return "; mirroring starts when it appears";
    case SourceState::paused:
      return "; take the address off it, or give the session another destination";
    case SourceState::error:
      return "; 'vxtap detach' takes it out of its sessions";
    case SourceState::passed_over:
    case SourceState::active:
      break;
  }
  return "";
}

}  // namespace

Agent::Agent(const Settings& settings, const std::filesystem::path& state_directory)
    : settings_(settings),
      store_(state_directory),
      pins_(settings.pin_dir),
      tunnel_(network_, settings.tunnel_port, pins_),
      datapath_(settings.tunnel_port, pins_),
      underlay_(network_, no_encapsulation(settings, datapath_.attach_mode())),
      accounts_(pins_, store_, datapath_.counters()),
      configuration_(store_.take_configuration()) {
  QuickGracePeriods::mend(pins_);
  datapath_.use_devices(tunnel_.devices());
  underlay_.look_for_ipsec();
  reconcile();
  datapath_.finish_takeover(ifindexes(network_.links()));
  accounts_.close_unknown(configuration_);
  pins_.keep(false);
}

void Agent::prepare_end(bool keep_mirroring) {
  pins_.keep(keep_mirroring);
  if (keep_mirroring) return;
  // Nothing is to be counted any more when the counters are read.
  const QuickGracePeriods quick(!datapath_.attached().empty(), pins_);
  for (const uint32_t ifindex : datapath_.attached()) datapath_.detach(ifindex);
  try {
    store_.keep_counters(accounts_.kept_text());
  } catch (const std::exception& error) {
    spdlog::error("the counters are not kept: {}", error.what());
  }
}

std::vector<std::string> Agent::check(const Plan& plan) {
  const auto addresses = network_.addresses();
  refuse_conflicts(configuration_, plan, addresses);
  const auto links = network_.links();
  const auto near_ends = find_near_ends(plan.result, links, network_);
  return warnings_of(plan, source_states(plan.result, links, addresses, near_ends), near_ends);
}

void Agent::commit(const Plan& plan, const Finish& finish) {
  refuse_conflicts(configuration_, plan, network_.addresses());
  const Configuration before = configuration_;
  store_.begin();
  try {
    store_.write(before, plan.result);
    configuration_ = plan.result;
    reconcile();
    finish(warnings_of(plan, sources_, near_ends_), store_);
    store_.commit();
  } catch (...) {
    take_back(before);
    throw;
  }
  rule_tables_.keep_only(configuration_);
  accounts_.close_gone(before, configuration_);
}

void Agent::take_back(const Configuration& before) noexcept {
  store_.rollback();
  configuration_ = before;
  on_network_change();
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
    answer_routes(kTunnelDevice);
    datapath_.underlays().mend();
    datapath_.links_are_fresh();
    if (underlay_.look_for_ipsec()) on_network_change();
    follow_namespaces();
    accounts_.fold_gone(configuration_, [this](const Session& session) {
      std::set<std::string> interfaces;
      for (const auto& source : sources_of(session)) interfaces.insert(source.interface);
      return interfaces;
    });
  } catch (const Error& error) {
    spdlog::error("looking around: {}", error.what());
  }
}

// Of what happens there, no event comes here.
void Agent::follow_namespaces() {
  if (near_ends_.empty()) return;
  if (find_near_ends(configuration_, network_.links(), network_) != near_ends_) on_network_change();
}

void Agent::reconcile() {
  const auto links = network_.links();
  if (tunnel_.restore(links)) {
    spdlog::warn("the tunnel's devices were gone and have been made anew");
    datapath_.use_devices(tunnel_.devices());
  }
  const auto addresses = network_.addresses();
  refresh_sources(links, addresses);
  accounts_.open(configuration_);
  auto compiled =
      compile(configuration_, surroundings(links, addresses), accounts_.ids(), rule_tables_);
  accounts_.keep_names();
  const std::set<uint32_t> hooked(compiled.hooked.begin(), compiled.hooked.end());
  const QuickGracePeriods quick(hooked != datapath_.attached(), pins_);
  if (!adopted_ || !same(compiled, published_)) {
    datapath_.publish(compiled);
    published_ = compiled;
    adopted_ = true;
  }
  update_hooks(links, hooked);
}

void Agent::refresh_sources(const std::vector<Link>& links, const AddressesByInterface& addresses) {
  near_ends_ = find_near_ends(configuration_, links, network_);
  auto states = source_states(configuration_, links, addresses, near_ends_);
  for (const auto& [interface, status] : states) {
    const auto before = sources_.find(interface);
    if (before != sources_.end() && before->second.state == status.state) continue;
    const bool good =
        status.state == SourceState::active || status.state == SourceState::passed_over;
    spdlog::log(good ? spdlog::level::info : spdlog::level::warn, "source {}: {}{}{}", interface,
                to_string(status.state), status.message.empty() ? "" : ", ", status.message);
  }
  sources_ = std::move(states);
}

Surroundings Agent::surroundings(const std::vector<Link>& links,
                                 const AddressesByInterface& addresses) {
  Surroundings result;
  result.near_ends = near_ends_;
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
  datapath_.underlays().use(underlay_.interfaces());
  datapath_.links_are_fresh();
  result.paths = underlay_.paths(underlay_hooked());
  return result;
}

Underlay::Hooked Agent::underlay_hooked() {
  return [this](uint32_t ifindex) { return datapath_.underlays().on(ifindex); };
}

std::map<Address, Underlay::Encapsulation> Agent::encapsulations() {
  return underlay_.encapsulations(underlay_hooked());
}

// Empty if there is nothing to be told, or no route to the collector yet.
std::string Agent::why_not_in_fragments(const Session& session) {
  if (session.oversize != Oversize::fragment || session.destination.family == Family::ipv4) {
    return "";
  }
  const auto reason = underlay_.why_kernel(session.destination, underlay_hooked());
  if (reason.empty()) return "";
  return "cuts copies to the path's MTU: over IPv6 only vxtap's own program sends fragments, and "
         "it does not write the outer headers here: " +
         reason;
}

std::vector<std::string> Agent::notes_on(const Session& session) {
  auto notes = vxtap::notes_on(session, configuration_);
  const auto reason = why_not_in_fragments(session);
  if (!reason.empty()) notes.push_back(reason);
  return notes;
}

// Those of the plan, and what the host does not let be as it says.
std::vector<std::string> Agent::warnings_of(const Plan& plan,
                                            const std::map<std::string, SourceStatus>& states,
                                            const NearEnds& near_ends) {
  auto warnings = plan.warnings;
  std::map<std::string, SourceStatus> sources;
  for (const auto& change : plan.changes) {
    const auto session = plan.result.sessions.find(change.name);
    if (change.kind != "session" || session == plan.result.sessions.end()) continue;
    for (const auto& source : vxtap::sources_of(session->second, states, near_ends)) {
      sources.emplace(source.interface, source.status);
    }
    const auto reason = why_not_in_fragments(session->second);
    if (!reason.empty()) warnings.push_back("session '" + change.name + "' " + reason);
  }
  for (const auto& [interface, status] : sources) {
    if (status.state == SourceState::active) continue;
    warnings.push_back("source '" + interface + "' is " + to_string(status.state) + ": " +
                       status.message);
  }
  return warnings;
}

void Agent::update_hooks(const std::vector<Link>& links, const std::set<uint32_t>& wanted) {
  datapath_.forget_gone(ifindexes(links));
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
    // That no interface matches a pattern may be as it should be.
    const bool awaited =
        status.state == SourceState::pending && parse_source(interface).is_pattern();
    if (status.state != SourceState::active && status.state != SourceState::passed_over &&
        !awaited) {
      problems.push_back("source '" + interface + "' is " + to_string(status.state) + ": " +
                         status.message + remedy(status.state));
    }
  }
  return problems;
}

std::chrono::seconds Agent::uptime() const {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() -
                                                          started_);
}

}  // namespace vxtap

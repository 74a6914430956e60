#include "agent/sources.h"

#include <net/if_arp.h>

#include <algorithm>
#include <array>

#include "agent/error.h"
#include "agent/kernel/tunnel.h"
#include "agent/model/source.h"
#include "agent/model/value.h"

namespace vxtap {
namespace {

std::set<std::string> sources_that(bool (Source::*are)() const,
                                   const Configuration& configuration) {
  std::set<std::string> sources;
  for (const auto& [name, session] : configuration.sessions) {
    for (const auto& text : session.sources) {
      const auto source = parse_source(text);
      if ((source.*are)()) sources.insert(source.name);
    }
  }
  return sources;
}

std::set<std::string> named_sources(const Configuration& configuration) {
  return sources_that(&Source::is_name, configuration);
}

// Destination -> the name of a session that has it.
std::map<Address, std::string> all_destinations(const Configuration& configuration) {
  std::map<Address, std::string> destinations;
  for (const auto& [name, session] : configuration.sessions) {
    destinations.emplace(session.destination, name);
  }
  return destinations;
}

// An interface that is a source, and an address of it that is a destination.
using Clash = std::pair<std::string, Address>;

std::set<Clash> clashes(const std::set<std::string>& sources,
                        const std::map<Address, std::string>& destinations,
                        const AddressesByInterface& addresses) {
  std::set<Clash> result;
  for (const auto& interface : sources) {
    const auto owned = addresses.find(interface);
    if (owned == addresses.end()) continue;
    for (const auto& address : owned->second) {
      if (destinations.contains(address)) result.emplace(interface, address);
    }
  }
  return result;
}

// Packets of these begin with their IP header: tun and WireGuard, tunnels of IP in IP, PPP, modems.
constexpr std::array kNoHeader{ARPHRD_NONE, ARPHRD_TUNNEL, ARPHRD_TUNNEL6,
                               ARPHRD_SIT,  ARPHRD_PPP,    ARPHRD_RAWIP};

bool is_supported(const Link& link) {
  return has_ethernet_header(link) ||
         std::find(kNoHeader.begin(), kNoHeader.end(), link.arp_type) != kNoHeader.end();
}

std::string owns(const Address& address, const std::string& session) {
  return "owns " + to_string(address) + ", the destination of session '" + session + "'";
}

// Where the field of the first session stands, of those that were given, for which `fits` holds.
template <class Fits>
std::string field_of(const Plan& plan, const char* field, Fits fits) {
  for (const auto& [name, place] : plan.given) {
    if (fits(plan.result.sessions.at(name))) return place + (place.empty() ? "" : ".") + field;
  }
  return field;
}

std::string source_field(const Plan& plan, const std::string& interface) {
  return field_of(plan, "sources", [&](const Session& session) {
    const auto& sources = session.sources;
    return std::any_of(sources.begin(), sources.end(), [&](const std::string& text) {
      return parse_source(text).name == interface;
    });
  });
}

std::string destination_field(const Plan& plan, const Address& address) {
  return field_of(plan, "destination",
                  [&](const Session& session) { return session.destination == address; });
}

SourceStatus status_of(const Link& link) {
  if (is_supported(link)) return {SourceState::active, ""};
  return {
      SourceState::error,
      "its packets have neither an Ethernet header nor begin with their IP header (ARP hardware "
      "type " +
          std::to_string(link.arp_type) + ")"};
}

// Or what leads to none.
bool is_interface(const std::string& name, const SourceStatus& status) {
  return status.state != SourceState::pending && !parse_source(name).is_in_namespace();
}

using Links = std::map<std::string, const Link*>;

// The interfaces that patterns lead to; those that lead to none get their state.
std::set<std::string> matched_interfaces(const Configuration& configuration, const Links& links,
                                         std::map<std::string, SourceStatus>& states) {
  std::set<std::string> matching;
  for (const auto& pattern : sources_that(&Source::is_pattern, configuration)) {
    const Source source{pattern, false};
    size_t matched = 0;
    for (const auto& [name, link] : links) {
      if (!source.matches(name)) continue;
      ++matched;
      matching.insert(name);
    }
    if (matched == 0) states[pattern] = {SourceState::pending, "no interface matches it yet"};
  }
  return matching;
}

// Likewise those of sources in other namespaces.
std::set<std::string> near_interfaces(const Configuration& configuration, const NearEnds& near_ends,
                                      std::map<std::string, SourceStatus>& states) {
  std::set<std::string> interfaces;
  for (const auto& name : sources_that(&Source::is_in_namespace, configuration)) {
    const auto& end = near_ends.at(name);
    if (end.interface.empty()) {
      states[name] = {end.may_come ? SourceState::pending : SourceState::error, end.why};
    } else {
      interfaces.insert(end.interface);
    }
  }
  return interfaces;
}

// Of what nobody has named: that it cannot be a source is no error.
SourceStatus status_of_unnamed(const Link& link, const std::map<Address, std::string>& destinations,
                               const AddressesByInterface& addresses) {
  auto status = status_of(link);
  if (is_own_device(link.name)) status.message = "it is a device of the mirror itself";
  for (const auto& [interface, address] : clashes({link.name}, destinations, addresses)) {
    status.message = "the interface " + owns(address, destinations.at(address));
  }
  if (!status.message.empty()) status.state = SourceState::passed_over;
  return status;
}

}  // namespace

bool has_ethernet_header(const Link& link) {
  return link.arp_type == ARPHRD_ETHER || link.arp_type == ARPHRD_LOOPBACK;
}

const char* to_string(SourceState state) {
  switch (state) {
    case SourceState::active:
      return "active";
    case SourceState::pending:
      return "pending";
    case SourceState::paused:
      return "paused";
    case SourceState::passed_over:
      return "passed_over";
    case SourceState::error:
      break;
  }
  return "error";
}

std::map<std::string, SourceStatus> source_states(const Configuration& configuration,
                                                  const std::vector<Link>& links,
                                                  const AddressesByInterface& addresses,
                                                  const NearEnds& near_ends) {
  Links by_name;
  for (const auto& link : links) by_name.emplace(link.name, &link);
  const auto sources = named_sources(configuration);
  const auto destinations = all_destinations(configuration);
  std::map<std::string, SourceStatus> states;
  for (const auto& interface : sources) {
    const auto link = by_name.find(interface);
    states[interface] = link == by_name.end()
                            ? SourceStatus{SourceState::pending, "there is no such interface yet"}
                            : status_of(*link->second);
  }
  for (const auto& [interface, address] : clashes(sources, destinations, addresses)) {
    states[interface] = {SourceState::paused,
                         "the interface " + owns(address, destinations.at(address))};
  }
  auto unnamed = matched_interfaces(configuration, by_name, states);
  unnamed.merge(near_interfaces(configuration, near_ends, states));
  for (const auto& name : unnamed) {
    if (states.contains(name)) continue;
    states[name] = status_of_unnamed(*by_name.at(name), destinations, addresses);
  }
  return states;
}

std::vector<SessionSource> sources_of(const Session& session,
                                      const std::map<std::string, SourceStatus>& states,
                                      const NearEnds& near_ends) {
  const auto taken = sources_among(session, states, near_ends);
  std::vector<SessionSource> sources;
  for (const auto& text : session.sources) {
    const auto source = parse_source(text);
    const auto before = sources.size();
    for (const auto& [interface, by] : taken) {
      const auto& status = states.at(interface);
      if (by.name != source.name || !is_interface(interface, status)) continue;
      sources.push_back({interface, text, status});
    }
    const auto state = states.find(source.name);
    if (sources.size() == before && state != states.end() &&
        !is_interface(state->first, state->second)) {
      sources.push_back({source.name, text, state->second});
    }
  }
  return sources;
}

void refuse_conflicts(const Configuration& before, const Plan& plan,
                      const AddressesByInterface& addresses) {
  const auto sources = named_sources(plan.result);
  for (const auto& interface : sources) {
    if (!is_own_device(interface)) continue;
    throw Error(Error::Kind::invalid, "OwnDevice",
                "is a device of the mirror itself and cannot be a source",
                source_field(plan, interface), interface);
  }
  const auto destinations = all_destinations(plan.result);
  const auto sources_before = named_sources(before);
  const auto known = clashes(sources_before, all_destinations(before), addresses);
  for (const auto& clash : clashes(sources, destinations, addresses)) {
    if (known.contains(clash)) continue;
    const auto& [interface, address] = clash;
    if (sources_before.contains(interface)) {
      throw Error(Error::Kind::conflict, "SourceIsDestination",
                  "cannot be a destination, since it is an address of '" + interface +
                      "', which is a source",
                  destination_field(plan, address), to_string(address));
    }
    throw Error(Error::Kind::conflict, "SourceIsDestination",
                "cannot be a source, since it " + owns(address, destinations.at(address)),
                source_field(plan, interface), interface);
  }
}

}  // namespace vxtap

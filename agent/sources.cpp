#include "agent/sources.h"

#include <net/if_arp.h>

#include <algorithm>
#include <array>

#include "agent/error.h"
#include "agent/kernel/tunnel.h"
#include "agent/model/value.h"

namespace vxtap {
namespace {

std::set<std::string> all_sources(const Configuration& configuration) {
  std::set<std::string> sources;
  for (const auto& [name, session] : configuration.sessions) {
    sources.insert(session.sources.begin(), session.sources.end());
  }
  return sources;
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
    return std::find(sources.begin(), sources.end(), interface) != sources.end();
  });
}

std::string destination_field(const Plan& plan, const Address& address) {
  return field_of(plan, "destination",
                  [&](const Session& session) { return session.destination == address; });
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
    case SourceState::error:
      break;
  }
  return "error";
}

std::map<std::string, SourceStatus> source_states(const Configuration& configuration,
                                                  const std::vector<Link>& links,
                                                  const AddressesByInterface& addresses) {
  std::map<std::string, const Link*> by_name;
  for (const auto& link : links) by_name.emplace(link.name, &link);
  const auto sources = all_sources(configuration);
  const auto destinations = all_destinations(configuration);
  std::map<std::string, SourceStatus> states;
  for (const auto& interface : sources) {
    const auto link = by_name.find(interface);
    if (link == by_name.end()) {
      states[interface] = {SourceState::pending, "there is no such interface yet"};
    } else if (!is_supported(*link->second)) {
      states[interface] = {SourceState::error,
                           "its packets have neither an Ethernet header nor begin with their IP "
                           "header (ARP hardware type " +
                               std::to_string(link->second->arp_type) + ")"};
    } else {
      states[interface] = {SourceState::active, ""};
    }
  }
  for (const auto& [interface, address] : clashes(sources, destinations, addresses)) {
    states[interface] = {SourceState::paused,
                         "the interface " + owns(address, destinations.at(address))};
  }
  return states;
}

void refuse_conflicts(const Configuration& before, const Plan& plan,
                      const AddressesByInterface& addresses) {
  const auto sources = all_sources(plan.result);
  for (const auto& interface : sources) {
    if (!is_own_device(interface)) continue;
    throw Error(Error::Kind::invalid, "OwnDevice",
                "is a device of the mirror itself and cannot be a source",
                source_field(plan, interface), interface);
  }
  const auto destinations = all_destinations(plan.result);
  const auto sources_before = all_sources(before);
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

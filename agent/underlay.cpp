#include "agent/underlay.h"

#include <net/if.h>
#include <net/if_arp.h>

#include <algorithm>

#include "agent/model/value.h"

namespace vxtap {
namespace {

constexpr std::chrono::seconds kRefusalLasts{10};

}  // namespace

void Underlay::use(const std::set<Address>& destinations, const std::vector<Link>& links) {
  const auto gone = [&](const auto& entry) { return !destinations.contains(entry.first); };
  std::erase_if(ways_, gone);
  std::erase_if(refused_, gone);
  bool fresh = false;
  for (const auto& destination : destinations) {
    if (ways_.contains(destination)) continue;
    ways_.emplace(destination, find(destination, links));
    fresh = true;
  }
  // Before the first copy needs it.
  if (fresh) look_for_neighbours();
}

std::optional<Underlay::Way> Underlay::find(const Address& destination,
                                            const std::vector<Link>& links) {
  const auto route = network_.route(destination);
  if (!route) return std::nullopt;
  const auto link = std::find_if(links.begin(), links.end(),
                                 [&](const Link& l) { return l.ifindex == route->ifindex; });
  if (link == links.end()) return std::nullopt;
  const bool has_neighbours =
      !route->local && (link->flags & (IFF_NOARP | IFF_POINTOPOINT | IFF_LOOPBACK)) == 0;
  return Way{*route, link->name, has_neighbours, (link->flags & IFF_RUNNING) != 0,
             link->arp_type == ARPHRD_ETHER};
}

void Underlay::look_for_neighbours() {
  const bool any = std::any_of(ways_.begin(), ways_.end(), [](const auto& entry) {
    return entry.second && entry.second->has_neighbours;
  });
  if (!any) return;
  const auto known = network_.known_neighbours();
  for (const auto& [destination, way] : ways_) {
    if (!way || !way->has_neighbours) continue;
    const Neighbour neighbour{way->route.ifindex, way->route.next_hop};
    const auto found = known.find(neighbour);
    if (found == known.end() || !found->second) network_.look_for(neighbour);
  }
}

// Empty if a program could write the outer headers.
std::string Underlay::only_kernel(const Way& way) const {
  if (!no_encapsulation_.empty()) return no_encapsulation_;
  if (way.route.local) return "the destination is an address of this host";
  if (!way.ethernet) return "'" + way.interface + "' has no Ethernet headers";
  if (ipsec_) return "the host has IPsec policies";
  return "";
}

std::string Underlay::why_kernel(const Way& way, const Hooked& hooked) const {
  auto reason = only_kernel(way);
  if (reason.empty() && !hooked(way.route.ifindex)) {
    reason = "no program could be attached to '" + way.interface + "'";
  }
  return reason;
}

std::string Underlay::why_kernel(const Address& destination, const Hooked& hooked) {
  const auto known = ways_.find(destination);
  if (known != ways_.end()) return known->second ? why_kernel(*known->second, hooked) : "";
  // No hook is there for it yet.
  const auto way = find(destination, network_.links());
  return way ? only_kernel(*way) : "";
}

std::set<uint32_t> Underlay::interfaces() const {
  std::set<uint32_t> interfaces;
  for (const auto& [destination, way] : ways_) {
    if (way && only_kernel(*way).empty()) interfaces.insert(way->route.ifindex);
  }
  return interfaces;
}

std::map<Address, Underlay::Encapsulation> Underlay::encapsulations(const Hooked& hooked) const {
  std::map<Address, Encapsulation> result;
  for (const auto& [destination, way] : ways_) {
    auto& encapsulation = result[destination];
    if (!way) {
      encapsulation.reason = "there is no route";
      continue;
    }
    encapsulation.interface = way->interface;
    encapsulation.reason = why_kernel(*way, hooked);
    encapsulation.bpf = encapsulation.reason.empty();
  }
  return result;
}

std::map<Address, Surroundings::Path> Underlay::paths(const Hooked& hooked) const {
  std::map<Address, Surroundings::Path> paths;
  const auto encapsulations = this->encapsulations(hooked);
  for (const auto& [destination, way] : ways_) {
    if (!way) continue;
    paths[destination] = {way->route.mtu, way->route.local, !way->has_neighbours, !way->carrier,
                          encapsulations.at(destination).bpf};
  }
  return paths;
}

bool Underlay::look_for_ipsec() {
  const bool before = std::exchange(ipsec_, Network::has_ipsec_policies());
  return before != ipsec_;
}

std::map<Address, std::string> Underlay::problems() {
  std::map<Address, std::string> problems;
  const auto known = network_.known_neighbours();
  for (const auto& [destination, way] : ways_) {
    auto text = problem(destination, way, known);
    if (!text.empty()) problems.emplace(destination, std::move(text));
  }
  return problems;
}

std::string Underlay::problem(const Address& destination, const std::optional<Way>& way,
                              const std::map<Neighbour, bool>& known) const {
  const auto collector = to_string(destination);
  if (!way) {
    return "copies are dropped: there is no route to " + collector +
           "; add one, see 'ip route get " + collector + "'";
  }
  if (!way->carrier) {
    return "copies are dropped: '" + way->interface + "', which leads to " + collector +
           ", has no carrier; see 'ip link show " + way->interface + "'";
  }
  const auto& next_hop = way->route.next_hop;
  if (way->has_neighbours && !known.contains({way->route.ifindex, next_hop})) {
    return "copies are dropped: " + to_string(next_hop) + ", the next hop to " + collector +
           ", does not answer on '" + way->interface + "'; is it up, and in that network?";
  }
  const auto refused = refused_.find(destination);
  if (refused != refused_.end() &&
      std::chrono::steady_clock::now() - refused->second < kRefusalLasts) {
    return collector +
           " refuses the copies with ICMP errors: no program receives VXLAN there, though a "
           "capture sees them; start one, or have its firewall drop them without an answer";
  }
  return "";
}

}  // namespace vxtap

#include "agent/underlay.h"

#include <net/if.h>

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
  return Way{*route, link->name, has_neighbours, (link->flags & IFF_RUNNING) != 0};
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
    if (!known.contains(neighbour)) network_.look_for(neighbour);
  }
}

std::map<Address, Surroundings::Path> Underlay::paths() const {
  std::map<Address, Surroundings::Path> paths;
  for (const auto& [destination, way] : ways_) {
    if (!way) continue;
    paths[destination] = {way->route.mtu, way->route.local, !way->has_neighbours, !way->carrier};
  }
  return paths;
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
                              const std::set<Neighbour>& known) const {
  const auto collector = to_string(destination);
  if (!way) {
    return "copies are dropped: there is no route to " + collector + "; see 'ip route get " +
           collector + "'";
  }
  if (!way->carrier) {
    return "copies are dropped: '" + way->interface + "', which leads to " + collector +
           ", has no carrier";
  }
  const auto& next_hop = way->route.next_hop;
  if (way->has_neighbours && !known.contains({way->route.ifindex, next_hop})) {
    return "copies are dropped: " + to_string(next_hop) + ", the next hop to " + collector +
           ", does not answer on '" + way->interface + "'";
  }
  const auto refused = refused_.find(destination);
  if (refused != refused_.end() &&
      std::chrono::steady_clock::now() - refused->second < kRefusalLasts) {
    return collector +
           " refuses the copies with ICMP errors: no program receives VXLAN there, though a "
           "capture "
           "sees them";
  }
  return "";
}

}  // namespace vxtap

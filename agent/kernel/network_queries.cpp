// What the kernel says of interfaces, addresses, routes and filters, and when it changes.

#include <linux/neighbour.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/classifier.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <netlink/route/tc.h>
#include <netlink/xfrm/sp.h>

#include <algorithm>
#include <cerrno>

#include "agent/kernel/netlink.h"
#include "agent/kernel/network.h"

namespace vxtap {
namespace {

using Cache = Owned<nl_cache, nl_cache_free>;

// Calls `visit` with each object of the cache, as the type that the cache is known to hold.
template <class Object, class Visit>
void for_each(const Cache& cache, Visit visit) {
  for (nl_object* object = nl_cache_get_first(cache.get()); object != nullptr;
       object = nl_cache_get_next(object)) {
    visit(reinterpret_cast<Object*>(object));
  }
}

std::string text_or_empty(const char* text) {
  return text == nullptr ? "" : text;
}

int32_t peer_namespace(rtnl_link* link) {
  int32_t number = -1;
  return rtnl_link_get_link_netnsid(link, &number) < 0 ? -1 : number;
}

int subscribe_groups(nl_sock* socket) {
  return nl_socket_add_memberships(socket, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                   RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, 0);
}

using AddressObject = Owned<nl_addr, nl_addr_put>;

Address address_of(nl_addr* from) {
  Address address{nl_addr_get_family(from) == AF_INET ? Family::ipv4 : Family::ipv6, {}};
  const auto* bytes = static_cast<const uint8_t*>(nl_addr_get_binary_addr(from));
  const auto length = std::min<size_t>(nl_addr_get_len(from), address.bytes.size());
  std::copy_n(bytes, length, address.bytes.begin());
  return address;
}

AddressObject object_of(const Address& address) {
  const bool ipv4 = address.family == Family::ipv4;
  return AddressObject(
      nl_addr_build(ipv4 ? AF_INET : AF_INET6, address.bytes.data(), ipv4 ? 4 : 16));
}

}  // namespace

Network::Network() : socket_(open()) {}

void Network::Close::operator()(nl_sock* socket) const {
  nl_socket_free(socket);
}

Network::Socket Network::open() {
  Socket socket(nl_socket_alloc());
  if (!socket) throw std::bad_alloc();
  nl_check(nl_connect(socket.get(), NETLINK_ROUTE), "opening a netlink socket");
  return socket;
}

std::vector<Link> Network::links() {
  nl_cache* raw = nullptr;
  nl_check(rtnl_link_alloc_cache(socket_.get(), AF_UNSPEC, &raw), "listing interfaces");
  const Cache cache(raw);
  std::vector<Link> result;
  for_each<rtnl_link>(cache, [&](rtnl_link* link) {
    result.push_back({static_cast<uint32_t>(rtnl_link_get_ifindex(link)),
                      text_or_empty(rtnl_link_get_name(link)),
                      static_cast<uint16_t>(rtnl_link_get_arptype(link)),
                      text_or_empty(rtnl_link_get_ifalias(link)), rtnl_link_get_flags(link),
                      rtnl_link_get_mtu(link), rtnl_link_get_group(link),
                      text_or_empty(rtnl_link_get_type(link)),
                      static_cast<uint32_t>(rtnl_link_get_link(link)), peer_namespace(link)});
  });
  return result;
}

std::map<std::string, std::vector<Address>> Network::addresses() {
  nl_cache* raw = nullptr;
  nl_check(rtnl_addr_alloc_cache(socket_.get(), &raw), "listing addresses");
  const Cache cache(raw);
  std::map<int, std::vector<Address>> by_ifindex;
  for_each<rtnl_addr>(cache, [&](rtnl_addr* entry) {
    nl_addr* local = rtnl_addr_get_local(entry);
    if (local == nullptr) return;
    by_ifindex[rtnl_addr_get_ifindex(entry)].push_back(address_of(local));
  });
  std::map<std::string, std::vector<Address>> result;
  for (const auto& link : links()) {
    const auto found = by_ifindex.find(static_cast<int>(link.ifindex));
    if (found != by_ifindex.end()) result.emplace(link.name, found->second);
  }
  return result;
}

std::optional<Route> Network::route(const Address& destination) {
  const auto address = object_of(destination);
  rtnl_route* raw = nullptr;
  if (rtnl_route_lookup(socket_.get(), address.get(), &raw) < 0) return std::nullopt;
  const Owned<rtnl_route, rtnl_route_put> found(raw);
  rtnl_nexthop* next = rtnl_route_nexthop_n(found.get(), 0);
  if (next == nullptr) return std::nullopt;
  nl_addr* gateway = rtnl_route_nh_get_gateway(next);
  if (gateway == nullptr) gateway = rtnl_route_nh_get_via(next);
  Route route{static_cast<uint32_t>(rtnl_route_nh_get_ifindex(next)),
              gateway == nullptr ? destination : address_of(gateway), 0,
              rtnl_route_get_type(found.get()) == RTN_LOCAL};
  if (rtnl_route_get_metric(found.get(), RTAX_MTU, &route.mtu) == 0 && route.mtu > 0) return route;
  rtnl_link* raw_link = nullptr;
  const auto ifindex = static_cast<int>(route.ifindex);
  if (rtnl_link_get_kernel(socket_.get(), ifindex, nullptr, &raw_link) < 0) return std::nullopt;
  const Owned<rtnl_link, rtnl_link_put> link(raw_link);
  route.mtu = rtnl_link_get_mtu(link.get());
  return route;
}

std::map<Neighbour, bool> Network::known_neighbours() {
  constexpr int kValid =
      NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
  nl_cache* raw = nullptr;
  nl_check(rtnl_neigh_alloc_cache(socket_.get(), &raw), "listing neighbours");
  const Cache cache(raw);
  std::map<Neighbour, bool> known;
  for_each<rtnl_neigh>(cache, [&](rtnl_neigh* entry) {
    const int family = rtnl_neigh_get_family(entry);
    if (family != AF_INET && family != AF_INET6) return;
    const int state = rtnl_neigh_get_state(entry);
    if ((state & kValid) == 0) return;
    known.emplace(Neighbour{static_cast<uint32_t>(rtnl_neigh_get_ifindex(entry)),
                            address_of(rtnl_neigh_get_dst(entry))},
                  state != NUD_STALE);
  });
  return known;
}

void Network::look_for(const Neighbour& neighbour) {
  const Owned<rtnl_neigh, rtnl_neigh_put> entry(rtnl_neigh_alloc());
  const auto address = object_of(neighbour.address);
  rtnl_neigh_set_family(entry.get(), nl_addr_get_family(address.get()));
  rtnl_neigh_set_ifindex(entry.get(), static_cast<int>(neighbour.ifindex));
  rtnl_neigh_set_dst(entry.get(), address.get());
  rtnl_neigh_set_state(entry.get(), NUD_NONE);
  rtnl_neigh_set_flags(entry.get(), NTF_USE);
  // Fails if the link has gone meanwhile: then there is nothing to look for.
  rtnl_neigh_add(socket_.get(), entry.get(), NLM_F_CREATE);
}

bool Network::has_ipsec_policies() {
  const Socket socket(nl_socket_alloc());
  if (!socket) throw std::bad_alloc();
  // A kernel without IPsec has no such protocol.
  if (nl_connect(socket.get(), NETLINK_XFRM) < 0) return false;
  nl_cache* raw = nullptr;
  nl_check(xfrmnl_sp_alloc_cache(socket.get(), &raw), "listing IPsec policies");
  const Cache cache(raw);
  return nl_cache_nitems(cache.get()) > 0;
}

bool Network::has_filters(uint32_t ifindex) {
  constexpr uint32_t kIngress = 0xfffffff2;  // TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
  constexpr uint32_t kEgress = 0xfffffff3;
  for (const uint32_t parent : {kIngress, kEgress}) {
    nl_cache* raw = nullptr;
    nl_check(rtnl_cls_alloc_cache(socket_.get(), static_cast<int>(ifindex), parent, &raw),
             "listing filters");
    const Cache cache(raw);
    if (nl_cache_nitems(cache.get()) > 0) return true;
  }
  return false;
}

int Network::monitor_fd() {
  if (!monitor_) {
    monitor_ = open();
    nl_socket_disable_seq_check(monitor_.get());
    nl_check(nl_socket_set_nonblocking(monitor_.get()), "watching the network");
    nl_check(subscribe_groups(monitor_.get()), "watching the network");
  }
  return nl_socket_get_fd(monitor_.get());
}

bool Network::drain_monitor() {
  bool changed = false;
  for (;;) {
    sockaddr_nl sender{};
    unsigned char* buffer = nullptr;
    const int received = nl_recv(monitor_.get(), &sender, &buffer, nullptr);
    if (received > 0) free(buffer);
    // Events that did not fit into the socket's buffer are changes as well.
    const bool overrun = received == -NLE_NOMEM;
    if (received <= 0 && !overrun) return changed;
    changed = true;
  }
}

}  // namespace vxtap

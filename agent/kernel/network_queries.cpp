// What the kernel says of interfaces, addresses, routes and filters, and when it changes.

#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/classifier.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <netlink/route/tc.h>

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

int subscribe_groups(nl_sock* socket) {
  return nl_socket_add_memberships(socket, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                   RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, 0);
}

uint32_t device_mtu(nl_sock* socket, int ifindex) {
  rtnl_link* found = nullptr;
  if (rtnl_link_get_kernel(socket, ifindex, nullptr, &found) < 0) return 0;
  const Owned<rtnl_link, rtnl_link_put> link(found);
  return rtnl_link_get_mtu(link.get());
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
                      text_or_empty(rtnl_link_get_ifalias(link))});
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
    Address address{nl_addr_get_family(local) == AF_INET ? Family::ipv4 : Family::ipv6, {}};
    const auto* bytes = static_cast<const uint8_t*>(nl_addr_get_binary_addr(local));
    const auto length = std::min<size_t>(nl_addr_get_len(local), address.bytes.size());
    std::copy_n(bytes, length, address.bytes.begin());
    by_ifindex[rtnl_addr_get_ifindex(entry)].push_back(address);
  });
  std::map<std::string, std::vector<Address>> result;
  for (const auto& link : links()) {
    const auto found = by_ifindex.find(static_cast<int>(link.ifindex));
    if (found != by_ifindex.end()) result.emplace(link.name, found->second);
  }
  return result;
}

std::optional<uint32_t> Network::path_mtu(const Address& destination) {
  const bool ipv4 = destination.family == Family::ipv4;
  const Owned<nl_addr, nl_addr_put> address(
      nl_addr_build(ipv4 ? AF_INET : AF_INET6, destination.bytes.data(), ipv4 ? 4 : 16));
  rtnl_route* raw = nullptr;
  if (rtnl_route_lookup(socket_.get(), address.get(), &raw) < 0) return std::nullopt;
  const Owned<rtnl_route, rtnl_route_put> route(raw);
  uint32_t mtu = 0;
  if (rtnl_route_get_metric(route.get(), RTAX_MTU, &mtu) == 0 && mtu > 0) return mtu;
  rtnl_nexthop* next = rtnl_route_nexthop_n(route.get(), 0);
  if (next == nullptr) return std::nullopt;
  mtu = device_mtu(socket_.get(), rtnl_route_nh_get_ifindex(next));
  return mtu > 0 ? std::optional(mtu) : std::nullopt;
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

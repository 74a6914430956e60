#pragma once

// The host's interfaces, addresses and routes. With its .cpp files the only place that talks
// netlink.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/model/objects.h"

struct nl_msg;
struct nl_sock;
struct nlmsghdr;
struct rtnl_link;

namespace vxtap {

struct Link {
  uint32_t ifindex = 0;
  std::string name;
  uint16_t arp_type = 0;  // ARPHRD_…
  std::string alias;
  uint32_t flags = 0;  // IFF_…
  uint32_t mtu = 0;    // bytes of an IP packet
  uint32_t group = 0;
  std::string kind;   // as "veth"
  uint32_t peer = 0;  // ifindex of the other end, of what has one
  int32_t peer_namespace =
      -1;  // the number of the namespace in which that is, if it is another one
};

// One in another network namespace.
struct FarLink {
  uint32_t ifindex = 0;
  uint32_t peer = 0;  // ifindex of the other end, wherever that is
};

// The group of the devices that Network makes, given with the making itself, unlike the alias.
inline constexpr uint32_t kDeviceGroup = 0x7674;

// Where a packet of this host to some address goes.
struct Route {
  uint32_t ifindex = 0;
  Address next_hop;    // the gateway, or the address itself on the link
  uint32_t mtu = 0;    // bytes of an IP packet: the path's as far as it is known, or the link's
  bool local = false;  // an address of this host
};

// A station on a link.
struct Neighbour {
  uint32_t ifindex = 0;
  Address address;
  auto operator<=>(const Neighbour&) const = default;
};

// In the network namespace of the thread that makes it. Every call asks the kernel anew. All throw
// Error(internal, Netlink).
class Network {
 public:
  Network();

  std::vector<Link> links();
  std::map<std::string, std::vector<Address>> addresses();  // by interface
  std::optional<Route> route(const Address& destination);   // empty: there is none
  // Those whose link-layer address is known, and whether it has been confirmed of late.
  std::map<Neighbour, bool> known_neighbours();
  // Makes the kernel look for its link-layer address, if it does not know that or is in doubt.
  void look_for(const Neighbour& neighbour);
  // Whether the host has IPsec policies, which only the kernel's own way of sending obeys.
  static bool has_ipsec_policies();
  // The number that this namespace knows another one by; empty: none yet, or it is this one.
  // `file`: a descriptor of the namespace. Throws also if it is none.
  std::optional<int32_t> namespace_number(int file);
  // In the namespace of that number; empty: there is no such interface.
  std::optional<FarLink> link_in(int32_t number, const std::string& name);
  // Whether any TC filter stands on the interface's clsact qdisc.
  bool has_filters(uint32_t ifindex);

  // Makes a VXLAN device in external mode and brings it up; gives its ifindex. `port`: UDP port
  // that it sends to and listens on. Throws TunnelPortInUse, leaving nothing behind.
  uint32_t create_vxlan(const std::string& name, uint16_t port);
  // Makes a macvlan device and brings it up: what is sent on it leaves by the lower device at once.
  // Gives its ifindex.
  uint32_t create_macvlan(const std::string& name, uint32_t lower);
  // Makes a bridge with one port and brings it up: what is sent on it leaves by the port at once,
  // and in nothing but wire packets with finished checksums. Gives its ifindex.
  uint32_t create_segmenter(const std::string& name, uint32_t port);
  // Takes the offloads off a segmenter, which a predecessor may have left on.
  void segment_in_software(const std::string& name);
  // Makes a device that takes packets without Ethernet headers; nothing leaves it but what a
  // program redirects. Gives its ifindex.
  uint32_t create_framer(const std::string& name, uint16_t port);
  // The port of a VXLAN device; 0: there is no such device.
  uint16_t vxlan_port(const std::string& name);
  // Nothing to do if it is not there.
  void delete_link(const std::string& name);

  // Readable when interfaces, addresses or routes change; see drain_monitor().
  int monitor_fd();
  // Reads what is there; true if anything has changed.
  bool drain_monitor();

 private:
  struct Close {
    void operator()(nl_sock* socket) const;
  };
  using Socket = std::unique_ptr<nl_sock, Close>;
  static Socket open();
  void ask(nl_msg* request, const std::function<void(nlmsghdr*)>& answer, const char* what);

  Socket socket_;
  Socket monitor_;
};

}  // namespace vxtap

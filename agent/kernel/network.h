#pragma once

// The host's interfaces, addresses and routes. With its .cpp files the only place that talks
// netlink.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/model/objects.h"

struct nl_sock;
struct rtnl_link;

namespace vxtap {

struct Link {
  uint32_t ifindex = 0;
  std::string name;
  uint16_t arp_type = 0;  // ARPHRD_…
  std::string alias;
};

// In the network namespace of the thread that makes it. Every call asks the kernel anew. All throw
// Error(internal, Netlink).
class Network {
 public:
  Network();

  std::vector<Link> links();
  std::map<std::string, std::vector<Address>> addresses();  // by interface
  // The largest IP packet, in bytes, that the route to the address takes; empty without a route.
  std::optional<uint32_t> path_mtu(const Address& destination);
  // Whether any TC filter stands on the interface's clsact qdisc.
  bool has_filters(uint32_t ifindex);

  // Makes a VXLAN device in external mode and brings it up; gives its ifindex. `port`: UDP port
  // that it sends to and listens on. Throws TunnelPortInUse, leaving nothing behind.
  uint32_t create_vxlan(const std::string& name, uint16_t port);
  // Makes a veth pair and brings both ends up; `name` sends nothing but wire packets with finished
  // checksums. Gives both ifindexes.
  std::pair<uint32_t, uint32_t> create_veth(const std::string& name, const std::string& peer);
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

  Socket socket_;
  Socket monitor_;
};

}  // namespace vxtap

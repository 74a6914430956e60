// The devices that the agent makes.

#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/link/macvlan.h>
#include <netlink/route/link/vxlan.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/kernel/netlink.h"
#include "agent/kernel/network.h"

namespace vxtap {
namespace {

using LinkObject = Owned<rtnl_link, rtnl_link_put>;

constexpr const char* kAlias = "vxtap";
// Nothing that a source can carry may be too long for a copy's way.
constexpr uint32_t kVxlanMtu = 65485;

void set_common(rtnl_link* link, const std::string& name, uint32_t mtu) {
  rtnl_link_set_name(link, name.c_str());
  rtnl_link_set_ifalias(link, kAlias);
  rtnl_link_set_mtu(link, mtu);
  rtnl_link_set_group(link, kDeviceGroup);
}

uint32_t ifindex_of(const std::string& name) {
  const uint32_t ifindex = if_nametoindex(name.c_str());
  if (ifindex == 0) {
    throw Error(Error::Kind::internal, "Netlink", "device " + name + ": " + std::strerror(errno));
  }
  return ifindex;
}

void set_offload(const std::string& name, uint32_t command, bool on) {
  ethtool_value value{command, on ? 1U : 0U};
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  const int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int failed = ioctl(socket_fd, SIOCETHTOOL, &request);
  const int error = errno;
  close(socket_fd);
  if (failed != 0) {
    throw Error(Error::Kind::internal, "Netlink",
                "setting offloads of " + name + ": " + std::strerror(error));
  }
}

[[noreturn]] void refuse_port(uint16_t port) {
  const auto text = std::to_string(port);
  throw Error(Error::Kind::internal, "TunnelPortInUse",
              "UDP port " + text +
                  " of the tunnel is in use, by a program ('ss -lunp sport = " + text +
                  "') or another VXLAN device ('ip -d link show type vxlan'): stop that, or set "
                  "another tunnel_port");
}

// The alias cannot be set where a link is made, and no address may grow on our devices.
void mark(nl_sock* socket, const std::string& name) {
  const LinkObject before(rtnl_link_alloc());
  const LinkObject change(rtnl_link_alloc());
  rtnl_link_set_name(before.get(), name.c_str());
  rtnl_link_set_ifindex(before.get(), static_cast<int>(ifindex_of(name)));
  rtnl_link_set_ifalias(change.get(), kAlias);
  // Without IPv6 in the kernel there is no address to keep away.
  rtnl_link_inet6_set_addr_gen_mode(change.get(), IN6_ADDR_GEN_MODE_NONE);
  nl_check(rtnl_link_change(socket, before.get(), change.get(), 0), "setting up " + name);
}

// A negative libnl error number if the device cannot come up.
int bring_up(nl_sock* socket, const std::string& name) {
  const LinkObject before(rtnl_link_alloc());
  const LinkObject change(rtnl_link_alloc());
  rtnl_link_set_ifindex(before.get(), static_cast<int>(ifindex_of(name)));
  rtnl_link_set_flags(change.get(), IFF_UP);
  return rtnl_link_change(socket, before.get(), change.get(), 0);
}

// A bridge that listens to multicast membership would keep copies from its port.
void flood_multicast(nl_sock* socket, const std::string& bridge) {
  const Owned<nl_msg, nlmsg_free> message(nlmsg_alloc_simple(RTM_NEWLINK, 0));
  ifinfomsg link{};
  link.ifi_index = static_cast<int>(ifindex_of(bridge));
  nlmsg_append(message.get(), &link, sizeof(link), NLMSG_ALIGNTO);
  nlattr* info = nla_nest_start(message.get(), IFLA_LINKINFO);
  nla_put_string(message.get(), IFLA_INFO_KIND, "bridge");
  nlattr* data = nla_nest_start(message.get(), IFLA_INFO_DATA);
  // Not in a kernel without multicast snooping.
  nla_put_u8(message.get(), IFLA_BR_MCAST_SNOOPING, 0);
  nla_nest_end(message.get(), data);
  nla_nest_end(message.get(), info);
  nl_complete_msg(socket, message.get());
  const int error = nl_send_auto(socket, message.get());
  if (error >= 0) nl_wait_for_ack(socket);
}

}  // namespace

uint32_t Network::create_vxlan(const std::string& name, uint16_t port) {
  const LinkObject link(rtnl_link_vxlan_alloc());
  ifla_vxlan_port_range sources{htons(49152), htons(65535)};
  set_common(link.get(), name, kVxlanMtu);
  rtnl_link_vxlan_set_port(link.get(), port);
  rtnl_link_vxlan_set_port_range(link.get(), &sources);
  rtnl_link_vxlan_set_learning(link.get(), 0);
  rtnl_link_vxlan_set_collect_metadata(link.get(), 1);
  const int added = rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL);
  // The kernel has one external VXLAN device per port, and one socket.
  if (added == -NLE_EXIST) refuse_port(port);
  nl_check(added, "making the tunnel device " + name);
  try {
    mark(socket_.get(), name);
    const int up = bring_up(socket_.get(), name);
    // libnl's name for EADDRINUSE as well.
    if (up == -NLE_EXIST) refuse_port(port);
    nl_check(up, "bringing up the tunnel device " + name);
  } catch (...) {
    delete_link(name);
    throw;
  }
  return ifindex_of(name);
}

uint32_t Network::create_macvlan(const std::string& name, uint32_t lower) {
  const LinkObject link(rtnl_link_macvlan_alloc());
  set_common(link.get(), name, kVxlanMtu);
  rtnl_link_set_link(link.get(), static_cast<int>(lower));
  rtnl_link_macvlan_set_mode(link.get(), MACVLAN_MODE_PRIVATE);
  nl_check(rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL),
           "making the device " + name);
  try {
    mark(socket_.get(), name);
    nl_check(bring_up(socket_.get(), name), "bringing up " + name);
  } catch (...) {
    delete_link(name);
    throw;
  }
  return ifindex_of(name);
}

uint32_t Network::create_segmenter(const std::string& name, uint32_t port) {
  const LinkObject link(rtnl_link_bridge_alloc());
  set_common(link.get(), name, kVxlanMtu);
  nl_check(rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL),
           "making the segmenter " + name);
  try {
    mark(socket_.get(), name);
    flood_multicast(socket_.get(), name);
    segment_in_software(name);
    nl_check(rtnl_link_enslave_ifindex(socket_.get(), static_cast<int>(ifindex_of(name)),
                                       static_cast<int>(port)),
             "giving the segmenter its port");
    nl_check(bring_up(socket_.get(), name), "bringing up the segmenter " + name);
  } catch (...) {
    delete_link(name);
    throw;
  }
  return ifindex_of(name);
}

// Without scatter-gather the kernel copies each segment into one piece while it sums it up; with
// it, the cut would have to gather the pieces once more.
void Network::segment_in_software(const std::string& name) {
  for (const uint32_t offload : {ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_STXCSUM, ETHTOOL_SSG}) {
    set_offload(name, offload, false);
  }
}

// It stays down: then it opens no socket, and the port is only a number that it must have.
uint32_t Network::create_framer(const std::string& name, uint16_t port) {
  const LinkObject link(rtnl_link_vxlan_alloc());
  set_common(link.get(), name, kVxlanMtu);
  rtnl_link_vxlan_set_port(link.get(), port);
  rtnl_link_vxlan_set_learning(link.get(), 0);
  rtnl_link_vxlan_set_collect_metadata(link.get(), 1);
  rtnl_link_vxlan_set_flags(link.get(), RTNL_LINK_VXLAN_F_GPE, 1);
  nl_check(rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL),
           "making the device " + name);
  mark(socket_.get(), name);
  return ifindex_of(name);
}

uint16_t Network::vxlan_port(const std::string& name) {
  rtnl_link* raw = nullptr;
  if (rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &raw) < 0) return 0;
  const LinkObject link(raw);
  uint32_t port = 0;
  if (!rtnl_link_is_vxlan(link.get()) || rtnl_link_vxlan_get_port(link.get(), &port) < 0) return 0;
  return static_cast<uint16_t>(port);
}

void Network::delete_link(const std::string& name) {
  const LinkObject link(rtnl_link_alloc());
  rtnl_link_set_name(link.get(), name.c_str());
  const int error = rtnl_link_delete(socket_.get(), link.get());
  if (error != -NLE_NODEV && error != -NLE_OBJ_NOTFOUND) nl_check(error, "deleting " + name);
}

}  // namespace vxtap

#include "agent/kernel/filter_name.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <array>

#include "agent/kernel/netlink.h"

namespace vxtap {
namespace {

int take_name(nl_msg* message, void* name) {
  std::array<nlattr*, TCA_MAX + 1> filter{};
  std::array<nlattr*, TCA_BPF_MAX + 1> options{};
  if (nlmsg_parse(nlmsg_hdr(message), sizeof(tcmsg), filter.data(), TCA_MAX, nullptr) < 0 ||
      filter[TCA_OPTIONS] == nullptr ||
      nla_parse_nested(options.data(), TCA_BPF_MAX, filter[TCA_OPTIONS], nullptr) < 0 ||
      options[TCA_BPF_NAME] == nullptr) {
    return NL_OK;
  }
  *static_cast<std::string*>(name) = nla_get_string(options[TCA_BPF_NAME]);
  return NL_OK;
}

}  // namespace

std::string filter_name(uint32_t ifindex, Direction direction, uint32_t priority, uint32_t handle) {
  const Owned<nl_sock, nl_socket_free> socket(nl_socket_alloc());
  nl_check(nl_connect(socket.get(), NETLINK_ROUTE), "opening a netlink socket");
  std::string name;
  nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, take_name, &name);
  tcmsg place{};
  place.tcm_ifindex = static_cast<int>(ifindex);
  place.tcm_parent =
      TC_H_MAKE(TC_H_CLSACT, direction == Direction::inbound ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
  place.tcm_handle = handle;
  place.tcm_info = TC_H_MAKE(priority << 16, htons(ETH_P_ALL));
  nl_msg* message = nlmsg_alloc_simple(RTM_GETTFILTER, 0);
  nlmsg_append(message, &place, sizeof(place), NLMSG_ALIGNTO);
  nla_put_string(message, TCA_KIND, "bpf");
  nl_send_sync(socket.get(), message);  // frees the message, and fails if there is no such filter
  return name;
}

}  // namespace vxtap

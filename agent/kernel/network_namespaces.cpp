// What the kernel says of other network namespaces. It is asked from here: to enter one would take
// CAP_SYS_ADMIN.

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include <array>
#include <new>

#include "agent/kernel/netlink.h"
#include "agent/kernel/network.h"

namespace vxtap {
namespace {

using Message = Owned<nl_msg, nlmsg_free>;
using Callbacks = Owned<nl_cb, nl_cb_put>;

int give_answer(nl_msg* message, void* answer) {
  (*static_cast<const std::function<void(nlmsghdr*)>*>(answer))(nlmsg_hdr(message));
  return NL_OK;
}

}  // namespace

void Network::ask(nl_msg* request, const std::function<void(nlmsghdr*)>& answer, const char* what) {
  nl_check(nl_send_auto(socket_.get(), request), what);
  const Callbacks usual(nl_socket_get_cb(socket_.get()));
  const Callbacks callbacks(nl_cb_clone(usual.get()));
  if (!callbacks) throw std::bad_alloc();
  nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, give_answer,
            const_cast<std::function<void(nlmsghdr*)>*>(&answer));
  nl_check(nl_recvmsgs(socket_.get(), callbacks.get()), what);
  nl_check(nl_wait_for_ack(socket_.get()), what);
}

std::optional<int32_t> Network::namespace_number(int file) {
  const Message request(nlmsg_alloc_simple(RTM_GETNSID, 0));
  if (!request) throw std::bad_alloc();
  rtgenmsg head{};
  nl_check(nlmsg_append(request.get(), &head, sizeof(head), NLMSG_ALIGNTO), "asking");
  nl_check(nla_put_u32(request.get(), NETNSA_FD, static_cast<uint32_t>(file)), "asking");
  int32_t number = NETNSA_NSID_NOT_ASSIGNED;
  const auto read = [&](nlmsghdr* reply) {
    nlattr* found = nlmsg_find_attr(reply, sizeof(rtgenmsg), NETNSA_NSID);
    if (found != nullptr) number = nla_get_s32(found);
  };
  ask(request.get(), read, "looking for a network namespace");
  if (number == NETNSA_NSID_NOT_ASSIGNED) return std::nullopt;
  return number;
}

std::optional<FarLink> Network::link_in(int32_t number, const std::string& name) {
  nl_msg* raw = nullptr;
  nl_check(rtnl_link_build_get_request(0, name.c_str(), &raw), "asking");
  const Message request(raw);
  nl_check(nla_put_s32(request.get(), IFLA_TARGET_NETNSID, number), "asking");
  std::optional<FarLink> link;
  const auto read = [&](nlmsghdr* reply) {
    const auto* head = static_cast<const ifinfomsg*>(nlmsg_data(reply));
    nlattr* peer = nlmsg_find_attr(reply, sizeof(ifinfomsg), IFLA_LINK);
    link = {static_cast<uint32_t>(head->ifi_index), peer == nullptr ? 0 : nla_get_u32(peer)};
  };
  try {
    ask(request.get(), read, "looking for an interface of another network namespace");
  } catch (const Error&) {
    // The kernel gives the same errors for one that is not there, and one that has just gone with
    // its namespace.
    return std::nullopt;
  }
  return link;
}

}  // namespace vxtap

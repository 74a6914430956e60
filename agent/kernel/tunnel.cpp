#include "agent/kernel/tunnel.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <string_view>

#include "agent/kernel/check.h"
#include "agent/kernel/forwarding.h"

namespace vxtap {
namespace {

constexpr std::array kDevices{kTunnelDevice, kSegmenter, kSegmenterPort, kFramer};
constexpr const char* kAlias = "vxtap";  // what Network marks its devices with

int bind_abstract(std::string_view name) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), address.sun_path + 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0) return fd;
  const int error = errno;
  close(fd);
  return -error;
}

// Two devices cannot have one port.
uint16_t framer_port(uint16_t tunnel_port) {
  return tunnel_port == 4790 ? 4789 : 4790;  // of VXLAN-GPE, by IANA
}

}  // namespace

bool is_own_device(const std::string& interface) {
  return std::find(kDevices.begin(), kDevices.end(), interface) != kDevices.end();
}

NamespaceLock::NamespaceLock() {
  if (geteuid() != 0) {
    throw Error(Error::Kind::internal, "NotPermitted",
                "vxtapd must run as root, to load BPF programs and make network devices: run it "
                "with sudo, or as a system service");
  }
  socket_ = bind_abstract("vxtapd");
  if (socket_ == -EADDRINUSE) {
    throw Error(Error::Kind::conflict, "AlreadyRunning",
                "another vxtapd is running in this network namespace: stop it first");
  }
  check(socket_, "locking the network namespace");
}

NamespaceLock::~NamespaceLock() {
  close(socket_);
}

bool is_made_by_us(const Link& link) {
  return is_own_device(link.name) && (link.alias == kAlias || link.group == kDeviceGroup);
}

void remove_devices(Network& network) noexcept {
  for (const char* device : {kSegmenter, kSegmenterPort, kTunnelDevice, kFramer}) {
    try {
      network.delete_link(device);
    } catch (const Error&) {
      // Nothing better can be done at the end; the next daemon replaces what is left.
    }
  }
}

TunnelOwner::TunnelOwner(Network& network, uint16_t port, const Pins& pins)
    : network_(network), port_(port), pins_(pins) {
  const auto links = network_.links();
  for (const auto& link : links) {
    if (is_own_device(link.name) && !is_made_by_us(link)) {
      throw Error(Error::Kind::conflict, "DeviceNameTaken",
                  "there is a device '" + link.name +
                      "' that vxtapd did not make: rename it, or delete it with 'ip link delete " +
                      link.name + "'");
    }
  }
  if (adopt(links)) return;
  remove_devices(network_);
  create();
}

TunnelOwner::~TunnelOwner() {
  if (!pins_.keeps()) remove_devices(network_);
}

// They were made one after the other and marked at the end of each one's making.
bool TunnelOwner::adopt(const std::vector<Link>& links) {
  std::map<std::string, uint32_t> complete;
  for (const auto& link : links) {
    if (is_own_device(link.name) && link.alias == kAlias) complete[link.name] = link.ifindex;
  }
  if (complete.size() != kDevices.size() || network_.vxlan_port(kTunnelDevice) != port_) {
    return false;
  }
  devices_ = {complete[kTunnelDevice], complete[kSegmenter], complete[kSegmenterPort],
              complete[kFramer]};
  network_.segment_in_software(kSegmenter);
  answer_routes(kTunnelDevice);
  return true;
}

void TunnelOwner::create() {
  try {
    devices_.tunnel = network_.create_vxlan(kTunnelDevice, port_);
    // The tunnel device itself cannot be the port: as one of a bridge, it would answer copies that
    // are too long for the path, where it ought to fragment them.
    devices_.segmenter_port = network_.create_macvlan(kSegmenterPort, devices_.tunnel);
    devices_.segmenter = network_.create_segmenter(kSegmenter, devices_.segmenter_port);
    devices_.framer = network_.create_framer(kFramer, framer_port(port_));
    answer_routes(kTunnelDevice);
  } catch (...) {
    remove_devices(network_);
    throw;
  }
}

bool TunnelOwner::restore(const std::vector<Link>& links) {
  const auto there = [&](uint32_t ifindex) {
    return std::any_of(links.begin(), links.end(),
                       [&](const Link& link) { return link.ifindex == ifindex; });
  };
  if (there(devices_.tunnel) && there(devices_.segmenter) && there(devices_.segmenter_port) &&
      there(devices_.framer)) {
    return false;
  }
  remove_devices(network_);
  create();
  return true;
}

}  // namespace vxtap

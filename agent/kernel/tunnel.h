#pragma once

// The devices that copies go through, and the right to have them in this network namespace.

#include <cstdint>
#include <string>
#include <vector>

#include "agent/kernel/datapath.h"
#include "agent/kernel/network.h"
#include "agent/kernel/pins.h"

namespace vxtap {

inline constexpr const char* kTunnelDevice = "vxtap0";
inline constexpr const char* kSegmenter = "vxtap-segment";
inline constexpr const char* kSegmenterPort = "vxtap-segport";
inline constexpr const char* kFramer = "vxtap-frame";

bool is_own_device(const std::string& interface);

// One daemon per network namespace: an abstract Unix socket, which belongs to the namespace and
// goes with its process, however that ends. Throws Error(conflict, AlreadyRunning), and
// NotPermitted if not root.
class NamespaceLock {
 public:
  NamespaceLock();
  ~NamespaceLock();
  NamespaceLock(const NamespaceLock&) = delete;
  NamespaceLock& operator=(const NamespaceLock&) = delete;

 private:
  int socket_;
};

// Whether it is a device that a daemon has made.
bool is_made_by_us(const Link& link);

// Removes the devices, in an order in which none takes another with it unseen.
void remove_devices(Network& network) noexcept;

// Makes the devices, or adopts those of a predecessor that lack nothing, and removes them with
// itself, unless the pins stay; devices of these names that are not ours are left alone, and
// refused.
class TunnelOwner {
 public:
  TunnelOwner(Network& network, uint16_t port, const Pins& pins);
  ~TunnelOwner();
  TunnelOwner(const TunnelOwner&) = delete;
  TunnelOwner& operator=(const TunnelOwner&) = delete;

  const TunnelDevices& devices() const { return devices_; }
  // Makes anew what is missing among the host's links; says whether it did.
  bool restore(const std::vector<Link>& links);

 private:
  bool adopt(const std::vector<Link>& links);
  void create();

  Network& network_;
  uint16_t port_;
  const Pins& pins_;
  TunnelDevices devices_;
};

}  // namespace vxtap

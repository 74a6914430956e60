#pragma once

// The devices that copies go through, and the right to have them in this network namespace.

#include <cstdint>
#include <string>
#include <vector>

#include "agent/kernel/datapath.h"
#include "agent/kernel/network.h"

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

// Makes the devices and removes them with itself. Devices that a killed daemon left are replaced;
// devices of these names that are not ours are left alone, and refused.
class TunnelOwner {
 public:
  TunnelOwner(Network& network, uint16_t port);
  ~TunnelOwner();
  TunnelOwner(const TunnelOwner&) = delete;
  TunnelOwner& operator=(const TunnelOwner&) = delete;

  const TunnelDevices& devices() const { return devices_; }
  // Makes anew what is missing among the host's links; says whether it did.
  bool restore(const std::vector<Link>& links);

 private:
  void create();
  void remove() noexcept;

  Network& network_;
  uint16_t port_;
  TunnelDevices devices_;
};

}  // namespace vxtap

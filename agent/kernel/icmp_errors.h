#pragma once

// What the hosts on the way answer to copies: ICMP errors about UDP packets to the tunnel's port.

#include <array>
#include <cstdint>
#include <functional>

#include "agent/model/objects.h"

namespace vxtap {

class IcmpErrors {
 public:
  // Opens a raw socket for each family; one that the kernel does not have is left out. Throws
  // Error(internal, Kernel).
  explicit IcmpErrors(uint16_t tunnel_port);
  ~IcmpErrors();
  IcmpErrors(const IcmpErrors&) = delete;
  IcmpErrors& operator=(const IcmpErrors&) = delete;

  // By family, IPv4 first; -1 where there is none. Readable when there are errors.
  const std::array<int, 2>& sockets() const { return sockets_; }

  // Reads what has come, at most some dozens. `take` gets the collector that a copy was sent to,
  // and whether the error was that the copy is too big for the path.
  using Take = std::function<void(const Address& collector, bool too_big)>;
  void drain(const Take& take);

 private:
  uint16_t tunnel_port_;
  std::array<int, 2> sockets_{-1, -1};
};

}  // namespace vxtap

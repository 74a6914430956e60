#pragma once

// What the kernel does not show to programs of a packet, and where it keeps it.

#include <cstdint>
#include <optional>

namespace vxtap {

// In struct sk_buff.
struct PacketField {
  uint32_t byte = 0;
  uint32_t shift = 0;  // from the lowest bit of that byte
};

// What is left to do of a packet's checksum, two bits. Nothing if programs may not read it, or if
// the kernel does not say where it is (without CONFIG_DEBUG_INFO_BTF).
std::optional<PacketField> find_ip_summed();

}  // namespace vxtap

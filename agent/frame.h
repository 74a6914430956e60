#pragma once

// A frame of a packet that somebody described, as it would be on a wire.

#include <cstdint>
#include <string_view>
#include <vector>

#include "agent/model/match.h"

namespace vxtap {

using Frame = std::vector<uint8_t>;  // from the Ethernet header on

// Source and destination are of one family. Ports only for protocols that have them.
Frame make_frame(const PacketFields& packet);

// Throws Error(invalid, InvalidFrame) without a field.
Frame decode_hex(std::string_view text);

}  // namespace vxtap

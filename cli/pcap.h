#pragma once

// Frames of a capture file.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace vxtap::cli {

using Frame = std::vector<uint8_t>;  // from an Ethernet header on; made up if the file has none

// Calls `take` for each packet, in their order. `file` in pcap or pcapng, `-` for standard input.
// Ethernet, raw IP and Linux' cooked captures. Throws Failure(kInvalid).
void read_pcap(const std::string& file, const std::function<void(Frame frame)>& take);

}  // namespace vxtap::cli

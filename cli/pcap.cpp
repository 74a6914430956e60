#include "cli/pcap.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>

#include "cli/client.h"

namespace vxtap::cli {
namespace {

constexpr size_t kEthernetHeader = 14;

// An Ethernet header before a packet whose ethertype is known.
Frame with_header(uint16_t type, std::span<const uint8_t> packet) {
  Frame frame(kEthernetHeader + packet.size());
  frame[0] = frame[6] = 0x02;  // locally administered addresses
  frame[12] = static_cast<uint8_t>(type >> 8);
  frame[13] = static_cast<uint8_t>(type);
  std::copy(packet.begin(), packet.end(), frame.begin() + kEthernetHeader);
  return frame;
}

// Linux' cooked captures begin with a header of `length` bytes that holds the ethertype.
Frame from_cooked(std::span<const uint8_t> bytes, size_t length, size_t type_offset) {
  if (bytes.size() < length) return {};
  const auto type = static_cast<uint16_t>(bytes[type_offset] << 8 | bytes[type_offset + 1]);
  return with_header(type, bytes.subspan(length));
}

Frame from_raw(std::span<const uint8_t> bytes) {
  const bool ipv6 = !bytes.empty() && bytes[0] >> 4 == 6;
  return with_header(ipv6 ? 0x86dd : 0x0800, bytes);
}

}  // namespace

void read_pcap(const std::string& file, const std::function<void(Frame frame)>& take) {
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  const std::unique_ptr<pcap_t, decltype(&pcap_close)> capture(
      pcap_open_offline(file.c_str(), error.data()), pcap_close);
  if (!capture) throw Failure(kInvalid, file + ": " + error.data());
  const int link = pcap_datalink(capture.get());
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  int result = 0;
  while ((result = pcap_next_ex(capture.get(), &header, &data)) == 1) {
    const std::span<const uint8_t> bytes(data, header->caplen);
    switch (link) {
      case DLT_EN10MB:
        take(Frame(bytes.begin(), bytes.end()));
        break;
      case DLT_RAW:
      case DLT_IPV4:
      case DLT_IPV6:
        take(from_raw(bytes));
        break;
      case DLT_LINUX_SLL:
        take(from_cooked(bytes, 16, 14));
        break;
      case DLT_LINUX_SLL2:
        take(from_cooked(bytes, 20, 0));
        break;
      default:
        throw Failure(kInvalid, file + ": cannot read packets of link type " +
                                    (pcap_datalink_val_to_name(link) == nullptr
                                         ? std::to_string(link)
                                         : pcap_datalink_val_to_name(link)) +
                                    ": must be Ethernet, raw IP or a Linux cooked capture");
    }
  }
  if (result == PCAP_ERROR) throw Failure(kInvalid, file + ": " + pcap_geterr(capture.get()));
}

}  // namespace vxtap::cli

#include "agent/frame.h"

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>

#include "agent/error.h"

namespace vxtap {
namespace {

constexpr size_t kPayload = 32;  // room for any transport header that is looked at

void put16(Frame& frame, size_t offset, uint16_t value) {
  frame.at(offset) = static_cast<uint8_t>(value >> 8);
  frame.at(offset + 1) = static_cast<uint8_t>(value);
}

void put_addresses(Frame& frame, size_t offset, const PacketFields& packet, size_t size) {
  std::copy_n(packet.source.bytes.begin(), size, frame.begin() + static_cast<long>(offset));
  std::copy_n(packet.destination.bytes.begin(), size,
              frame.begin() + static_cast<long>(offset + size));
}

}  // namespace

Frame make_frame(const PacketFields& packet) {
  const bool ipv4 = packet.source.family == Family::ipv4;
  const size_t header = ipv4 ? sizeof(iphdr) : sizeof(ipv6hdr);
  Frame frame(ETH_HLEN + header + kPayload);
  frame[0] = frame[6] = 0x02;  // locally administered addresses
  put16(frame, offsetof(ethhdr, h_proto), ipv4 ? ETH_P_IP : ETH_P_IPV6);
  if (ipv4) {
    frame[ETH_HLEN] = 0x45;
    put16(frame, ETH_HLEN + offsetof(iphdr, tot_len), static_cast<uint16_t>(header + kPayload));
    frame[ETH_HLEN + offsetof(iphdr, ttl)] = 64;
    frame[ETH_HLEN + offsetof(iphdr, protocol)] = packet.protocol;
    put_addresses(frame, ETH_HLEN + offsetof(iphdr, saddr), packet, 4);
  } else {
    frame[ETH_HLEN] = 0x60;
    put16(frame, ETH_HLEN + offsetof(ipv6hdr, payload_len), kPayload);
    frame[ETH_HLEN + offsetof(ipv6hdr, nexthdr)] = packet.protocol;
    frame[ETH_HLEN + offsetof(ipv6hdr, hop_limit)] = 64;
    put_addresses(frame, ETH_HLEN + offsetof(ipv6hdr, saddr), packet, 16);
  }
  if (packet.ports) {
    put16(frame, ETH_HLEN + header, packet.ports->source);
    put16(frame, ETH_HLEN + header + 2, packet.ports->destination);
  }
  return frame;
}

Frame decode_hex(std::string_view text) {
  Frame frame(text.size() / 2);
  bool valid = text.size() % 2 == 0;
  for (size_t i = 0; i < frame.size() && valid; ++i) {
    const char* end = text.data() + i * 2 + 2;
    const auto [stopped, error] = std::from_chars(end - 2, end, frame[i], 16);
    valid = stopped == end && error == std::errc{};
  }
  if (!valid) {
    throw Error(Error::Kind::invalid, "InvalidFrame",
                "must be bytes in hexadecimal, two digits each", "",
                std::string(text.substr(0, 32)));
  }
  return frame;
}

}  // namespace vxtap

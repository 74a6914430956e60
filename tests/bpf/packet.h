#pragma once

// A notation for packets: layers joined by `/`, from the outside in. What a layer says of the next
// one (ethertype, protocol, lengths) is filled in unless it is given.
//
//   ethernet() / vlan(5) / ipv4("10.0.0.1", "10.0.0.2") / tcp(40000, 443) / payload(100)

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vxtap::test {

using Bytes = std::vector<uint8_t>;

struct Layer {
  Bytes header;
  // What an outer layer says of this one: an ethertype (≥ 0x600) or an IP protocol.
  std::optional<uint16_t> type;
  // Fills in what depends on the layers inside.
  std::function<void(Bytes& header, std::optional<uint16_t> next_type, size_t inside)> finish;
};

class Packet {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): a layer alone is a packet in the notation
  Packet(Layer layer) { layers_.push_back(std::move(layer)); }
  friend Packet operator/(Packet packet, Layer layer) {
    packet.layers_.push_back(std::move(layer));
    return packet;
  }
  Bytes bytes() const;
  // Only the first bytes, as of a frame that was cut short.
  Packet cut(size_t length) const;

 private:
  std::vector<Layer> layers_;
};
inline Packet operator/(Layer outer, Layer inner) {
  return Packet(std::move(outer)) / std::move(inner);
}

Layer ethernet(std::optional<uint16_t> type = {});
Layer vlan(uint16_t id, uint16_t tpid = 0x8100);

struct Ipv4 {
  uint8_t version = 4;
  uint8_t header_words = 5;  // options are filled with zeros
  std::optional<uint16_t> total_length;
  std::optional<uint8_t> protocol;
  uint16_t fragment_offset = 0;  // bytes
  bool more_fragments = false;
  uint16_t id = 0;
};
Layer ipv4(const std::string& source, const std::string& destination, const Ipv4& fields = {});

struct Ipv6 {
  uint8_t version = 6;
  std::optional<uint16_t> payload_length;
  std::optional<uint8_t> next_header;
};
Layer ipv6(const std::string& source, const std::string& destination, const Ipv6& fields = {});

// An extension header of any kind: hop-by-hop 0, routing 43, destination options 60.
Layer extension(uint8_t kind, uint8_t extra_words = 0, std::optional<uint8_t> next_header = {});
Layer ipv6_fragment(uint16_t offset, bool more, std::optional<uint8_t> next_header = {},
                    uint32_t id = 0);

Layer tcp(uint16_t source, uint16_t destination);
Layer udp(uint16_t source, uint16_t destination);
Layer sctp(uint16_t source, uint16_t destination);
Layer icmp(uint8_t type = 8);
Layer icmpv6(uint8_t type = 128);
Layer protocol(uint8_t number);  // eight bytes of any other protocol
Layer payload(size_t length, uint8_t fill = 0x5a);

}  // namespace vxtap::test

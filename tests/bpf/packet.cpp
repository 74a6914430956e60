#include "tests/bpf/packet.h"

#include <arpa/inet.h>

#include <algorithm>
#include <stdexcept>

namespace vxtap::test {
namespace {

void put16(Bytes& bytes, size_t offset, size_t value) {
  bytes.at(offset) = static_cast<uint8_t>(value >> 8);
  bytes.at(offset + 1) = static_cast<uint8_t>(value);
}

void put_address(Bytes& bytes, size_t offset, int family, const std::string& text) {
  if (inet_pton(family, text.c_str(), &bytes.at(offset)) != 1) {
    throw std::invalid_argument("not an address: " + text);
  }
}

// A header whose first four bytes are two ports.
Layer ports(uint8_t number, size_t length, uint16_t source, uint16_t destination) {
  Layer layer{Bytes(length), number, nullptr};
  put16(layer.header, 0, source);
  put16(layer.header, 2, destination);
  return layer;
}

}  // namespace

Bytes Packet::bytes() const {
  Bytes inside;
  std::optional<uint16_t> type;
  // From the inside out.
  // NOLINTNEXTLINE(modernize-loop-convert): C++20 would spell that with an adaptor, no shorter
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
    Bytes header = layer->header;
    if (layer->finish) layer->finish(header, type, inside.size());
    header.insert(header.end(), inside.begin(), inside.end());
    inside = std::move(header);
    type = layer->type;
  }
  return inside;
}

Packet Packet::cut(size_t length) const {
  Bytes all = bytes();
  all.resize(std::min(length, all.size()));
  return Packet(Layer{std::move(all), {}, nullptr});
}

Layer ethernet(std::optional<uint16_t> type) {
  Layer layer{{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0, 0}, {}, nullptr};
  layer.finish = [type](Bytes& header, std::optional<uint16_t> next, size_t) {
    put16(header, 12, type ? *type : next.value_or(0x88b5));
  };
  return layer;
}

Layer vlan(uint16_t id, uint16_t tpid) {
  Layer layer{Bytes(4), tpid, nullptr};
  put16(layer.header, 0, id);
  layer.finish = [](Bytes& header, std::optional<uint16_t> next, size_t) {
    put16(header, 2, next.value_or(0x88b5));
  };
  return layer;
}

Layer ipv4(const std::string& source, const std::string& destination, const Ipv4& fields) {
  Layer layer{Bytes(std::max<size_t>(fields.header_words, 5) * 4), 0x0800, nullptr};
  layer.header[0] = static_cast<uint8_t>(fields.version << 4 | fields.header_words);
  put16(layer.header, 4, fields.id);
  put16(layer.header, 6, fields.fragment_offset / 8U | (fields.more_fragments ? 0x2000U : 0U));
  layer.header[8] = 64;
  put_address(layer.header, 12, AF_INET, source);
  put_address(layer.header, 16, AF_INET, destination);
  layer.finish = [fields](Bytes& header, std::optional<uint16_t> next, size_t inside) {
    put16(header, 2, fields.total_length.value_or(static_cast<uint16_t>(header.size() + inside)));
    header[9] = fields.protocol ? *fields.protocol : static_cast<uint8_t>(next.value_or(255));
  };
  return layer;
}

Layer ipv6(const std::string& source, const std::string& destination, const Ipv6& fields) {
  Layer layer{Bytes(40), 0x86dd, nullptr};
  layer.header[0] = static_cast<uint8_t>(fields.version << 4);
  layer.header[7] = 64;
  put_address(layer.header, 8, AF_INET6, source);
  put_address(layer.header, 24, AF_INET6, destination);
  layer.finish = [fields](Bytes& header, std::optional<uint16_t> next, size_t inside) {
    put16(header, 4, fields.payload_length.value_or(static_cast<uint16_t>(inside)));
    header[6] = fields.next_header ? *fields.next_header : static_cast<uint8_t>(next.value_or(59));
  };
  return layer;
}

Layer extension(uint8_t kind, uint8_t extra_words, std::optional<uint8_t> next_header) {
  Layer layer{Bytes(8 + extra_words * 8U), kind, nullptr};
  layer.header[1] = extra_words;
  layer.finish = [next_header](Bytes& header, std::optional<uint16_t> next, size_t) {
    header[0] = next_header ? *next_header : static_cast<uint8_t>(next.value_or(59));
  };
  return layer;
}

Layer ipv6_fragment(uint16_t offset, bool more, std::optional<uint8_t> next_header, uint32_t id) {
  Layer layer = extension(44, 0, next_header);
  put16(layer.header, 4, id >> 16);
  put16(layer.header, 6, id & 0xffff);
  put16(layer.header, 2, (offset & ~7U) | (more ? 1U : 0U));
  return layer;
}

Layer tcp(uint16_t source, uint16_t destination) {
  Layer layer = ports(6, 20, source, destination);
  layer.header[12] = 5 << 4;
  return layer;
}

Layer udp(uint16_t source, uint16_t destination) {
  Layer layer = ports(17, 8, source, destination);
  layer.finish = [](Bytes& header, std::optional<uint16_t>, size_t inside) {
    put16(header, 4, header.size() + inside);
  };
  return layer;
}

Layer sctp(uint16_t source, uint16_t destination) {
  return ports(132, 12, source, destination);
}

Layer icmp(uint8_t type) {
  return {{type, 0, 0, 0, 0, 1, 0, 1}, 1, nullptr};
}

Layer icmpv6(uint8_t type) {
  return {{type, 0, 0, 0, 0, 1, 0, 1}, 58, nullptr};
}

Layer protocol(uint8_t number) {
  return {Bytes(8), number, nullptr};
}

Layer payload(size_t length, uint8_t fill) {
  return {Bytes(length, fill), {}, nullptr};
}

}  // namespace vxtap::test

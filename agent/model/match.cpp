#include "agent/model/match.h"

#include "agent/model/value.h"

namespace vxtap {
namespace {

bool contains(const Cidr& cidr, const Address& address) {
  if (cidr.network.family != address.family) return false;
  for (uint32_t bit = 0; bit < cidr.prefix_length; ++bit) {
    const int difference = cidr.network.bytes.at(bit / 8) ^ address.bytes.at(bit / 8);
    if ((difference & 0x80 >> bit % 8) != 0) return false;
  }
  return true;
}

bool contains(const std::optional<Cidr>& cidr, const Address& address) {
  return !cidr || contains(*cidr, address);
}

bool contains(const std::optional<PortRange>& range, uint16_t port) {
  return !range || (port >= range->first && port <= range->last);
}

std::string outside(const char* field, const std::string& value, const std::string& range) {
  return std::string(field) + " " + value + " is not in " + range;
}

}  // namespace

std::optional<std::string> mismatch(const Rule& rule, const PacketFields& packet) {
  if (rule.protocol && *rule.protocol != packet.protocol) {
    return "the protocol is " + protocol_to_string(packet.protocol) + ", not " +
           protocol_to_string(rule.protocol);
  }
  if (!contains(rule.source_cidr, packet.source)) {
    return outside("source", to_string(packet.source), to_string(*rule.source_cidr));
  }
  if (!contains(rule.destination_cidr, packet.destination)) {
    return outside("destination", to_string(packet.destination), to_string(*rule.destination_cidr));
  }
  if (!rule.source_port && !rule.destination_port) return std::nullopt;
  if (!packet.ports) return "the packet's ports cannot be seen";
  if (!contains(rule.source_port, packet.ports->source)) {
    return outside("source port", std::to_string(packet.ports->source),
                   port_range_to_string(rule.source_port));
  }
  if (!contains(rule.destination_port, packet.ports->destination)) {
    return outside("destination port", std::to_string(packet.ports->destination),
                   port_range_to_string(rule.destination_port));
  }
  return std::nullopt;
}

const Rule* deciding_rule(const std::vector<Rule>& rules, const PacketFields& packet) {
  for (const auto& rule : rules) {
    if (!mismatch(rule, packet)) return &rule;
  }
  return nullptr;
}

}  // namespace vxtap

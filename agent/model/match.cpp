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

using Result = Match::Result;

std::string protocol_mismatch(const Rule& rule, const PacketFields& packet) {
  if (!rule.protocol || packet.protocol_unknown || *rule.protocol == packet.protocol) return "";
  return "the protocol is " + protocol_to_string(packet.protocol) + ", not " +
         protocol_to_string(rule.protocol);
}

std::string address_mismatch(const Rule& rule, const PacketFields& packet) {
  if (!contains(rule.source_cidr, packet.source)) {
    return outside("source", to_string(packet.source), to_string(*rule.source_cidr));
  }
  if (!contains(rule.destination_cidr, packet.destination)) {
    return outside("destination", to_string(packet.destination), to_string(*rule.destination_cidr));
  }
  return "";
}

std::string port_mismatch(const Rule& rule, const PacketFields& packet) {
  if (!packet.ports) return "the packet's ports cannot be seen";
  if (!contains(rule.source_port, packet.ports->source)) {
    return outside("source port", std::to_string(packet.ports->source),
                   port_range_to_string(rule.source_port));
  }
  if (!contains(rule.destination_port, packet.ports->destination)) {
    return outside("destination port", std::to_string(packet.ports->destination),
                   port_range_to_string(rule.destination_port));
  }
  return "";
}

}  // namespace

Match match(const Rule& rule, const PacketFields& packet) {
  for (const auto find : {protocol_mismatch, address_mismatch}) {
    auto reason = find(rule, packet);
    if (!reason.empty()) return {Result::no, std::move(reason)};
  }
  const bool wants_ports = rule.source_port || rule.destination_port;
  if (wants_ports && packet.ports_unknown) {
    return {Result::maybe, "its ports are in the datagram's first fragment, which was not seen"};
  }
  if (rule.protocol && packet.protocol_unknown) {
    return {Result::maybe, "its protocol is in the datagram's first fragment, which was not seen"};
  }
  auto reason = wants_ports ? port_mismatch(rule, packet) : "";
  return {reason.empty() ? Result::yes : Result::no, std::move(reason)};
}

Decision decide(const std::vector<Rule>& rules, const PacketFields& packet) {
  bool maybe_collect = false;
  bool maybe_ignore = false;
  for (const auto& rule : rules) {
    const bool collect = rule.policy == Policy::collect;
    switch (match(rule, packet).result) {
      case Result::no:
        break;
      case Result::maybe:
        (collect ? maybe_collect : maybe_ignore) = true;
        break;
      case Result::yes:
        // Where all that may match before it say the same, there is no doubt.
        if (collect ? maybe_ignore : maybe_collect) return {nullptr, true};
        return {&rule, false};
    }
  }
  return {nullptr, maybe_collect || maybe_ignore};
}

}  // namespace vxtap

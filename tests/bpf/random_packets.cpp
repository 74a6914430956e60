#include "tests/bpf/random_packets.h"

#include <algorithm>
#include <array>
#include <functional>

#include "agent/model/value.h"

namespace vxtap::test {
namespace {

constexpr uint16_t kTunnelPort = 4789;
// What IPv6 has for extension headers: hop-by-hop, routing, destination options, mobility.
constexpr std::array<uint8_t, 4> kExtensions{0, 43, 60, 135};
constexpr size_t kMostExtensions = 8;  // that are looked past

uint32_t bits_of(Family family) {
  return family == Family::ipv4 ? 32 : 128;
}

void flip(Address& address, uint32_t bit) {
  address.bytes.at(bit / 8) ^= static_cast<uint8_t>(0x80U >> bit % 8);
}

Family random_family(Random& random) {
  return random.chance(50) ? Family::ipv4 : Family::ipv6;
}

Pool random_pool(Random& random, const std::vector<Address>& collectors) {
  Pool pool{collectors, {0, 65535, kTunnelPort}, {1, 6, 17, 47, 58, 132, 6, 17, 132, 60, 89, 255}};
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    const auto address = random_address(random, family);
    pool.addresses.push_back(address);
    // Neighbours near and far: they share networks of all lengths.
    for (int i = 0; i < 4; ++i) {
      pool.addresses.push_back(address);
      flip(pool.addresses.back(), random.number(0U, bits_of(family) - 1));
    }
  }
  for (int i = 0; i < 4; ++i) pool.ports.push_back(random_port(random));
  return pool;
}

void set_protocol(PacketFields& fields, uint8_t protocol, const PacketFields::Ports& ports) {
  fields.protocol = protocol;
  fields.ports.reset();
  if (protocol_has_ports(protocol)) fields.ports = ports;
}

PacketFields random_fields(Random& random, const Pool& pool) {
  const auto family = random_family(random);
  PacketFields fields{
      random_address(random, family, pool), random_address(random, family, pool), 0, {}};
  set_protocol(fields, random_protocol(random, pool),
               {random_port(random, pool), random_port(random, pool)});
  return fields;
}

Address address_in(Random& random, const Cidr& network, const Pool& pool) {
  std::vector<Address> known;
  std::copy_if(pool.addresses.begin(), pool.addresses.end(), std::back_inserter(known),
               [&](const Address& address) {
                 return network_of(address, network.prefix_length) == network;
               });
  return known.empty() || random.chance(50) ? random_host(random, network) : random.pick(known);
}

uint16_t port_in(Random& random, const std::optional<PortRange>& range, const Pool& pool) {
  return range ? random.number_or_bound(range->first, range->last) : random_port(random, pool);
}

PacketFields matching_fields(Random& random, const Rule& rule, const Pool& pool) {
  auto family = random_family(random);
  for (const auto& cidr : {rule.source_cidr, rule.destination_cidr}) {
    if (cidr) family = cidr->network.family;
  }
  const auto address = [&](const std::optional<Cidr>& cidr) {
    return cidr ? address_in(random, *cidr, pool) : random_address(random, family, pool);
  };
  PacketFields fields{address(rule.source_cidr), address(rule.destination_cidr), 0, {}};
  set_protocol(
      fields, rule.protocol ? *rule.protocol : random_protocol(random, pool),
      {port_in(random, rule.source_port, pool), port_in(random, rule.destination_port, pool)});
  return fields;
}

// One step over one of the rule's limits, drawn from those that it has; false if it has none.
bool step_over(Random& random, const Rule& rule, PacketFields& fields) {
  std::vector<std::function<void()>> steps;
  const auto over_cidr = [&](const std::optional<Cidr>& cidr, Address& address) {
    if (!cidr || cidr->prefix_length == 0) return;
    steps.emplace_back([&over = address, bit = cidr->prefix_length - 1U] { flip(over, bit); });
  };
  const auto over_range = [&](const std::optional<PortRange>& range, uint16_t& port) {
    if (!range) return;
    if (range->first > 0) steps.emplace_back([&over = port, at = range->first] { over = at - 1; });
    if (range->last < 65535)
      steps.emplace_back([&over = port, at = range->last] { over = at + 1; });
  };
  over_cidr(rule.source_cidr, fields.source);
  over_cidr(rule.destination_cidr, fields.destination);
  if (fields.ports) {
    over_range(rule.source_port, fields.ports->source);
    over_range(rule.destination_port, fields.ports->destination);
  }
  if (rule.protocol) {
    steps.emplace_back([&] {
      set_protocol(fields, *rule.protocol + 1, fields.ports.value_or(PacketFields::Ports{}));
    });
  }
  if (steps.empty()) return false;
  random.pick(steps)();
  return true;
}

PacketFields copy_to_collector(Random& random, const Scene& scene) {
  const auto& destination = random.pick(scene.document.sessions).destination;
  PacketFields fields{random_address(random, destination.family, scene.pool), destination, 17, {}};
  fields.ports = {random_port(random), kTunnelPort};
  if (random.chance(20)) ++fields.ports->destination;
  return fields;
}

Layer transport_layer(Random& random, const PacketFields& fields) {
  static const std::vector<uint8_t> icmp_types{0, 3, 8, 11};
  static const std::vector<uint8_t> icmpv6_types{1, 3, 128, 129};
  switch (fields.protocol) {
    case 1:
      return icmp(random.pick(icmp_types));
    case 6:
      return tcp(fields.ports->source, fields.ports->destination);
    case 17:
      return udp(fields.ports->source, fields.ports->destination);
    case 58:
      return icmpv6(random.pick(icmpv6_types));
    case 132:
      return sctp(fields.ports->source, fields.ports->destination);
    default:
      return protocol(fields.protocol);
  }
}

// The layers from the IP header on. What rules do not see of them goes from the sample's fields.
class Composer {
 public:
  Composer(Random& random, Sample& sample)
      : random_(random), sample_(sample), fields_(*sample.fields) {
    const auto kind = random.number(1, 100);
    sample.fragment = kind <= 25;
    sample.later_fragment = kind <= 15;
    if (sample.later_fragment) offset_ = random.number<uint16_t>(1, 8191) * 8;
    more_ = sample.fragment && random.chance(70);
    id_ = random.number<uint32_t>(0, UINT32_MAX);
  }

  void compose() {
    auto transport = transport_layer(random_, fields_);
    if (fields_.ports && random_.chance(5)) {
      cut(transport, random_.number<size_t>(0, 3));
      fields_.ports.reset();
    }
    if (fields_.source.family == Family::ipv4) {
      compose_ipv4(std::move(transport));
    } else {
      compose_ipv6(std::move(transport));
    }
    if (!cut_) add(payload(random_.number<size_t>(0, 100), random_.number<uint8_t>(0, 255)));
    // The bytes stay where ports would be, so that one who took them for ports would be found out.
    if (sample_.later_fragment) forget_ports();
  }

 private:
  // Its first fragment was never sent, and what that would have shown is not known.
  void forget_ports() {
    fields_.ports.reset();
    fields_.protocol_unknown =
        fields_.source.family == Family::ipv6 &&
        std::count(kExtensions.begin(), kExtensions.end(), fields_.protocol) > 0;
    fields_.ports_unknown = fields_.protocol_unknown || protocol_has_ports(fields_.protocol);
  }

  // The frame ends after these bytes of the layer.
  void cut(Layer& layer, size_t length) {
    layer.header.resize(length);
    layer.finish = nullptr;
    cut_ = true;
  }

  void add(Layer layer) { sample_.packet = std::move(sample_.packet) / std::move(layer); }

  void compose_ipv4(Layer transport) {
    // Only IPv6 has fragments that are the whole datagram (RFC 6946).
    const bool first = sample_.fragment && !sample_.later_fragment;
    Ipv4 header{.fragment_offset = offset_,
                .more_fragments = more_ || first,
                .id = static_cast<uint16_t>(id_)};
    if (random_.chance(25)) header.header_words = random_.number<uint8_t>(6, 15);
    if (fields_.ports && random_.chance(5)) {
      // The ports lie in the padding of the frame, behind the packet's end.
      header.total_length = header.header_words * 4 + random_.number(0, 3);
      fields_.ports.reset();
    }
    add(ipv4(to_string(fields_.source), to_string(fields_.destination), header));
    add(std::move(transport));
  }

  void compose_ipv6(Layer transport) {
    std::vector<Layer> chain;
    const size_t room = kMostExtensions - (sample_.fragment ? 1 : 0);
    for (auto count = random_.chance(50) ? 0 : random_.number_or_bound<size_t>(1, room); count > 0;
         --count) {
      chain.push_back(extension(random_.pick(kExtensions), random_.number<uint8_t>(0, 2)));
    }
    const auto fragment = random_.number<size_t>(0, chain.size());
    if (std::count(kExtensions.begin(), kExtensions.end(), fields_.protocol) > 0) {
      // A header that is cut short ends the chain, and is the last that can be named.
      cut(transport, 1);
    }
    chain.push_back(std::move(transport));
    if (sample_.fragment) {
      chain.insert(chain.begin() + static_cast<long>(fragment),
                   ipv6_fragment(offset_, more_, {}, id_));
    }
    sample_.extensions = chain.size() - 1;
    if (sample_.later_fragment) {
      fields_.protocol = static_cast<uint8_t>(chain.at(fragment + 1).type.value());
    }
    add(ipv6(to_string(fields_.source), to_string(fields_.destination)));
    for (auto& layer : chain) add(std::move(layer));
  }

  Random& random_;
  Sample& sample_;
  PacketFields& fields_;
  uint16_t offset_ = 0;  // bytes
  bool more_ = false;
  uint32_t id_ = 0;  // of the datagram
  bool cut_ = false;
};

Packet not_ip(Random& random) {
  static const std::vector<Packet> packets{
      ethernet(0x0806) / payload(46, 0),
      ethernet() / vlan(5) / vlan(6) / vlan(7) / ipv4("10.0.0.1", "10.0.0.2") / tcp(1, 2),
      ethernet() / ipv4("10.0.0.1", "10.0.0.2", {.version = 6}) / tcp(1, 2),
      ethernet() / ipv6("fe80::1", "fe80::2", {.version = 4}) / tcp(1, 2)};
  return random.pick(packets);
}

const std::vector<Rule>& random_list(Random& random, const Document& document,
                                     Direction direction) {
  const auto& session = random.pick(document.sessions);
  return std::find_if(document.filters.begin(), document.filters.end(),
                      [&](const Filter& filter) { return filter.name == session.filter; })
      ->of(direction);
}

}  // namespace

Scene random_scene(Random& random, size_t most_rules) {
  Scene scene;
  for (int i = 0; i < 3; ++i) scene.collectors.push_back(random_destination(random));
  scene.pool = random_pool(random, scene.collectors);
  for (int i = random.number(1, 4); i > 0; --i) {
    Filter filter{"f" + std::to_string(i), {}, {}, {}, {}};
    for (auto& rules : filter.rules) rules = random_rules(random, most_rules, scene.pool);
    scene.document.filters.push_back(std::move(filter));
  }
  return scene;
}

void draw_sessions(Random& random, Scene& scene, const std::string& interface) {
  std::vector<uint32_t> priorities{1, 32766};
  for (int i = 0; i < 6; ++i) priorities.push_back(random.number(i * 5000U + 2, i * 5000U + 5001));
  random.shuffle(priorities);
  scene.document.sessions.clear();
  for (int i = random.number(1, 5); i > 0; --i) {
    const auto& filter = random.pick(scene.document.filters).name;
    auto session = random_session(random, "s" + std::to_string(i), filter);
    session.destination = random.pick(scene.collectors);
    if (random.chance(90)) session.sources.push_back(interface);
    session.enabled = random.chance(85);
    if (random.chance(50)) session.packet_length = random.number(64U, 140U);
    session.priority = priorities.at(i);
    scene.document.sessions.push_back(std::move(session));
  }
}

Sample random_sample(Random& random, const Scene& scene) {
  Sample sample{ethernet()};
  sample.direction = random.pick(kDirections);
  if (random.chance(3)) {
    sample.packet = not_ip(random);
    return sample;
  }
  const auto& rules = random_list(random, scene.document, sample.direction);
  if (random.chance(3)) {
    sample.fields = copy_to_collector(random, scene);
  } else if (rules.empty() || random.chance(20)) {
    sample.fields = random_fields(random, scene.pool);
  } else {
    const auto& rule = random.pick(rules);
    sample.fields = matching_fields(random, rule, scene.pool);
    sample.near_miss = random.chance(40) && step_over(random, rule, *sample.fields);
  }
  sample.tags = random.chance(60) ? 0 : random.number<size_t>(1, 2);
  for (size_t tag = 0; tag < sample.tags; ++tag) {
    sample.packet = std::move(sample.packet) /
                    vlan(random.number<uint16_t>(0, 65535), random.chance(50) ? 0x8100 : 0x88a8);
  }
  sample.network_offset = 14 + 4 * sample.tags;
  Composer(random, sample).compose();
  return sample;
}

}  // namespace vxtap::test

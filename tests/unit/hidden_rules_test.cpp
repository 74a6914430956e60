// Rules that never decide, since one before them does: trees do without them, and decide the same.

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "agent/model/compile.h"
#include "agent/model/decision_tree.h"
#include "agent/model/match.h"
#include "agent/model/value.h"
#include "tests/random_documents.h"

namespace vxtap::test {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kIcmp = 1;
constexpr uint32_t kRules = 2000;
constexpr int kPackets = 2000;

std::vector<mirror_node> trees_of(const std::vector<Rule>& rules) {
  std::vector<mirror_rule> compiled;
  compiled.reserve(rules.size());
  for (const auto& rule : rules) compiled.push_back(compile_rule(rule, Direction::inbound));
  return build_trees(compiled);
}

uint32_t header_word(const PacketFields& packet, uint8_t word) {
  if (word == MIRROR_WORD_SOURCE_PORT) return packet.ports ? packet.ports->source : 0;
  if (word == MIRROR_WORD_DESTINATION_PORT) return packet.ports ? packet.ports->destination : 0;
  if (word == MIRROR_WORD_PROTOCOL) return packet.protocol;
  if (word == MIRROR_WORD_FAMILY) return static_cast<uint32_t>(packet.source.family);
  const auto& address = word < MIRROR_WORD_DESTINATION ? packet.source : packet.destination;
  uint32_t bytes = 0;
  std::memcpy(&bytes, &address.bytes.at(size_t{4} * (word % 4)), sizeof(bytes));
  return ntohl(bytes);
}

bool is_rule(const mirror_node& node) {
  return node.kind == MIRROR_NODE_RULE || node.kind == MIRROR_NODE_LAST_RULE ||
         node.kind == MIRROR_NODE_FINAL_RULE;
}

bool ends_search(const mirror_node& node) {
  return node.kind == MIRROR_NODE_END || node.kind == MIRROR_NODE_FINAL_RULE;
}

// Of the rules that the trees name for the packet, the first that matches it, or nullptr.
const Rule* walk(const std::vector<mirror_node>& nodes, const std::vector<Rule>& rules,
                 const PacketFields& packet) {
  uint32_t best = UINT32_MAX;
  for (size_t root = 0; nodes.at(root).kind != MIRROR_NODE_END; ++root) {
    size_t at = root;
    while (nodes.at(at).kind == MIRROR_NODE_CUT || nodes.at(at).kind == MIRROR_NODE_JUMP) {
      const auto& node = nodes.at(at);
      at = node.target;
      if (node.kind == MIRROR_NODE_CUT) {
        at += header_word(packet, node.word) >> node.shift & ((1U << node.bits) - 1);
      }
    }
    for (; is_rule(nodes.at(at)); ++at) {
      const auto& node = nodes.at(at);
      if (match(rules.at(node.target), packet).result == Match::Result::yes) {
        best = std::min(best, node.target);
      }
      if (node.kind != MIRROR_NODE_RULE) break;
    }
    if (ends_search(nodes.at(at))) break;
  }
  return best == UINT32_MAX ? nullptr : &rules.at(best);
}

Pool few_values(Random& random) {
  Pool pool{{}, {0, 80, 81, 255, 256, 443, 65535}, {kTcp, kIcmp, 17, 132}};
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    for (int i = 0; i < 3; ++i) pool.addresses.push_back(random_address(random, family));
  }
  return pool;
}

PortRange random_range(Random& random) {
  const auto [first, last] =
      std::minmax({random.number<uint16_t>(0, 65535), random.number<uint16_t>(0, 65535)});
  return {first, last};
}

// So many rules, numbered by priority, and nearly none of them apart from the others.
std::vector<Rule> overlapping(Random& random, const Pool& pool) {
  std::vector<Rule> rules;
  while (rules.size() < kRules) {
    auto more = random_rules(random, 40, pool);
    for (auto& rule : more) {
      if (rule.source_port && random.chance(50)) rule.source_port = random_range(random);
      if (rule.destination_port && random.chance(50)) rule.destination_port = random_range(random);
      // One that matches everything would hide all the others.
      if (!rule.protocol && !rule.source_cidr && !rule.destination_cidr) continue;
      rule.priority = static_cast<uint32_t>(rules.size()) + 1;
      rules.push_back(rule);
    }
  }
  return rules;
}

PacketFields random_packet(Random& random, const Pool& pool) {
  const auto family = random.chance(50) ? Family::ipv4 : Family::ipv6;
  // Half of the packets are at no address that a rule was made around.
  const Pool& addresses = random.chance(50) ? pool : Pool{};
  PacketFields packet{random_address(random, family, addresses),
                      random_address(random, family, addresses),
                      random_protocol(random, pool),
                      {}};
  const bool has_ports = packet.protocol != kIcmp && random.chance(90);
  if (has_ports) packet.ports = {random_port(random, addresses), random_port(random, addresses)};
  return packet;
}

TEST(HiddenRules, trees_decide_as_the_rules_one_by_one) {
  int found = 0;
  for (uint64_t seed = first_seed(); seed < first_seed() + 5; ++seed) {
    SCOPED_TRACE("VXTAP_TEST_SEED=" + std::to_string(seed));
    Random random(seed);
    const auto pool = few_values(random);
    const auto rules = overlapping(random, pool);
    const auto nodes = trees_of(rules);
    for (int i = 0; i < kPackets; ++i) {
      const auto packet = random_packet(random, pool);
      const Rule* rule = decide(rules, packet).rule;
      ASSERT_EQ(walk(nodes, rules, packet), rule) << "packet " << i;
      found += rule == nullptr ? 0 : 1;
    }
  }
  EXPECT_GT(found, kPackets);
}

// Each range a little wider than the ones before it, with others in between that break the rule.
std::vector<Rule> nested(Random& random) {
  const auto centre = random.number<int>(0, 65535);
  const auto step = random.number<int>(1, 300);
  const auto odd = random.number<uint32_t>(0, 20);  // % of the rules
  std::vector<Rule> rules(random.number<size_t>(2, 200));
  for (size_t n = 0; n < rules.size(); ++n) {
    const int reach = static_cast<int>(n) * step;
    const PortRange range{static_cast<uint16_t>(std::max(centre - reach, 0)),
                          static_cast<uint16_t>(std::min(centre + reach, 65535))};
    rules[n] = {.priority = static_cast<uint32_t>(n) + 1, .protocol = kTcp};
    rules[n].destination_port = range;
    if (!random.chance(odd)) continue;
    switch (random.number<int>(0, 4)) {
      case 0:
        rules[n].destination_port.reset();
        break;
      case 1:
        rules[n].protocol.reset();
        break;
      case 2:
        rules[n].source_port = random_range(random);
        break;
      case 3:
        rules[n].destination_port = random_range(random);
        break;
      default:
        rules[n].source_cidr = parse_cidr("128.0.0.0/1");
    }
  }
  return rules;
}

TEST(HiddenRules, nested_ranges_decide_as_the_rules_one_by_one) {
  int found = 0;
  for (uint64_t seed = first_seed(); seed < first_seed() + 200; ++seed) {
    SCOPED_TRACE("VXTAP_TEST_SEED=" + std::to_string(seed));
    Random random(seed);
    const auto pool = few_values(random);
    const auto rules = nested(random);
    const auto nodes = trees_of(rules);
    const auto centre = rules.front().destination_port.value_or(PortRange{80, 80}).first;
    for (int i = 0; i < 200; ++i) {
      auto packet = random_packet(random, pool);
      const int reach = random.chance(50) ? static_cast<int>(rules.size()) : 20000;
      if (packet.ports && random.chance(80)) {
        packet.ports->destination =
            static_cast<uint16_t>(centre + random.number<int>(-reach, reach));
      }
      const Rule* rule = decide(rules, packet).rule;
      ASSERT_EQ(walk(nodes, rules, packet), rule) << "packet " << i;
      found += rule == nullptr ? 0 : 1;
    }
  }
  EXPECT_GT(found, 200 * 200 / 10);
}

Address address_of(uint32_t bits) {
  Address address;
  const uint32_t bytes = htonl(bits);
  std::memcpy(address.bytes.data(), &bytes, sizeof(bytes));
  return address;
}

// Networks around one address, from that alone to all there are.
std::vector<Rule> nested_networks(Random& random, uint32_t centre) {
  std::vector<Rule> rules;
  for (uint8_t length = 32; length-- > 0;) {
    const uint32_t mask = length == 0 ? 0 : UINT32_MAX << (32 - length);
    Rule rule{.priority = static_cast<uint32_t>(rules.size()) + 1};
    if (random.chance(90)) rule.protocol = kTcp;
    auto& cidr = random.chance(90) ? rule.source_cidr : rule.destination_cidr;
    cidr = Cidr{address_of(centre & mask), length};
    if (random.chance(5)) rule.destination_port = random_range(random);
    rules.push_back(rule);
  }
  return rules;
}

TEST(HiddenRules, nested_networks_decide_as_the_rules_one_by_one) {
  int found = 0;
  for (uint64_t seed = first_seed(); seed < first_seed() + 200; ++seed) {
    SCOPED_TRACE("VXTAP_TEST_SEED=" + std::to_string(seed));
    Random random(seed);
    const auto pool = few_values(random);
    const auto centre =
        random.pick(std::vector<uint32_t>{0, UINT32_MAX, random.number<uint32_t>(0, UINT32_MAX)});
    const auto rules = nested_networks(random, centre);
    const auto nodes = trees_of(rules);
    for (int i = 0; i < 200; ++i) {
      auto packet = random_packet(random, pool);
      if (packet.source.family == Family::ipv4) {
        packet.source = address_of(centre ^ random.number<uint32_t>(0, UINT32_MAX) >>
                                                random.number<uint32_t>(0, 31));
      }
      const Rule* rule = decide(rules, packet).rule;
      ASSERT_EQ(walk(nodes, rules, packet), rule) << "packet " << i;
      found += rule == nullptr ? 0 : 1;
    }
  }
  EXPECT_GT(found, 200 * 200 / 10);
}

TEST(HiddenRules, are_left_out) {
  const Rule wide{.priority = 1, .protocol = kTcp, .destination_port = PortRange{80, 90}};
  const Rule within{.priority = 2, .protocol = kTcp, .destination_port = PortRange{85, 90}};
  const Rule beyond{.priority = 2, .protocol = kTcp, .destination_port = PortRange{85, 91}};
  EXPECT_EQ(trees_of({wide, within}).size(), trees_of({wide}).size());
  EXPECT_GT(trees_of({wide, beyond}).size(), trees_of({wide}).size());
}

TEST(HiddenRules, a_rule_with_ports_hides_none_without) {
  const Rule any_port{.priority = 1, .protocol = kTcp, .source_port = PortRange{0, 65535}};
  const Rule no_port{.priority = 2, .protocol = kTcp};
  PacketFields cut_short{{}, {}, kTcp, {}};
  const std::vector<Rule> rules{any_port, no_port};
  EXPECT_EQ(walk(trees_of(rules), rules, cut_short), &rules[1]);
  EXPECT_EQ(trees_of({no_port, any_port}).size(), trees_of({no_port}).size());
}

}  // namespace
}  // namespace vxtap::test

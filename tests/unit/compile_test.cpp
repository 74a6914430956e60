#include "agent/model/compile.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "agent/model/value.h"

namespace vxtap {
namespace {

Session session(const std::string& name, uint32_t priority, std::vector<std::string> sources) {
  Session result;
  result.name = name;
  result.filter = "f";
  result.priority = priority;
  result.sources = std::move(sources);
  result.destination = parse_address("192.0.2.1");
  result.vni = priority;
  result.enabled = true;
  return result;
}

Configuration configuration(std::vector<Session> sessions) {
  Configuration result;
  Filter filter;
  filter.name = "f";
  filter.rules[0] = {{.priority = 3}, {.priority = 9}};
  result.filters["f"] = std::make_shared<const Filter>(filter);
  for (auto& one : sessions) result.sessions.emplace(one.name, one);
  return result;
}

TEST(Compile, rules) {
  Rule rule{.priority = 7, .policy = Policy::ignore, .protocol = 6};
  rule.source_cidr = parse_cidr("10.0.0.0/9");
  rule.destination_port = parse_port_range("80/90");
  const auto compiled = compile_rule(rule, Direction::outbound);
  EXPECT_EQ(compiled.rule_id, 0x80000007U);
  EXPECT_EQ(compiled.family, MIRROR_FAMILY_IPV4);
  EXPECT_EQ(compiled.source[0], htonl(0x0a000000));
  EXPECT_EQ(compiled.source_mask[0], htonl(0xff800000));
  EXPECT_EQ(compiled.source_mask[1], 0U);
  EXPECT_EQ(compiled.destination_mask[0], 0U);
  EXPECT_EQ(compiled.match_protocol, 1);
  EXPECT_EQ(compiled.match_ports, 1);
  EXPECT_EQ(compiled.source_port_last, 65535);
  EXPECT_EQ(compiled.destination_port_first, 80);
  EXPECT_EQ(compiled.policy, MIRROR_IGNORE);
}

TEST(Compile, a_rule_for_anything) {
  const auto compiled = compile_rule({.priority = 1}, Direction::inbound);
  EXPECT_EQ(compiled.family, MIRROR_FAMILY_ANY);
  EXPECT_EQ(compiled.match_protocol, 0);
  EXPECT_EQ(compiled.match_ports, 0);
}

TEST(Compile, prefixes_of_ipv6) {
  for (const auto& [text, words] :
       {std::pair{"::/0", std::array{0U, 0U, 0U, 0U}},
        std::pair{"2001:db8::/33", std::array{0xffffffffU, 0x80000000U, 0U, 0U}},
        std::pair{"::1/128", std::array{0xffffffffU, 0xffffffffU, 0xffffffffU, 0xffffffffU}}}) {
    SCOPED_TRACE(text);
    Rule rule{.priority = 1};
    rule.destination_cidr = parse_cidr(text);
    const auto compiled = compile_rule(rule, Direction::inbound);
    EXPECT_EQ(compiled.family, MIRROR_FAMILY_IPV6);
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(ntohl(compiled.destination_mask[i]), words.at(i));
  }
}

TEST(Compile, chains_by_priority) {
  auto disabled = session("disabled", 2, {"eth0"});
  disabled.enabled = false;
  const auto input = configuration({session("a", 30, {"eth0", "eth1"}), session("b", 10, {"eth0"}),
                                    disabled, session("absent", 5, {"eth7"})});
  Ids ids;
  RuleTables tables;
  const auto result = compile(input, {{{"eth0", {4}}, {"eth1", {5}}}, {}, {}}, ids, tables);
  ASSERT_EQ(result.slots.size(), 3U);
  EXPECT_EQ(result.slots[0].attachment.vni, 10U);
  EXPECT_EQ(result.slots[0].slot.position, 0U);
  EXPECT_EQ(result.slots[0].attachment.last, 0);
  EXPECT_EQ(result.slots[1].attachment.vni, 30U);
  EXPECT_EQ(result.slots[1].slot.position, 1U);
  EXPECT_EQ(result.slots[1].attachment.last, 1);
  EXPECT_EQ(result.slots[2].slot.ifindex, 5U);
  EXPECT_EQ(result.slots[2].attachment.last, 1);
  EXPECT_EQ(result.hooked, (std::vector<uint32_t>{4, 5}));
  EXPECT_EQ(result.destinations.size(), 1U);
  EXPECT_EQ(result.rule_tables.size(), 1U);  // shared by all sessions of the filter
  EXPECT_EQ(result.slots[0].attachment.rule_count[MIRROR_INBOUND], 2U);
  EXPECT_EQ(result.slots[0].attachment.rule_count[MIRROR_OUTBOUND], 0U);
}

TEST(Compile, patterns_and_flip) {
  const auto input = configuration({session("s", 1, {"eth[0-9]:flip", "e*", "eth1"})});
  Ids ids;
  RuleTables tables;
  const auto result = compile(
      input, {{{"eth0", {4}}, {"eth1", {5}}, {"ens1", {6}}, {"lo", {1}}}, {}, {}}, ids, tables);
  std::map<uint32_t, int> flips;  // by ifindex
  for (const auto& [slot, attachment] : result.slots) flips[slot.ifindex] = attachment.flip;
  EXPECT_EQ(flips, (std::map<uint32_t, int>{{4, 1}, {5, 0}, {6, 0}}));
  EXPECT_EQ(ids.counted_sources("s"), (std::set<std::string>{"ens1", "eth0", "eth1"}));
}

TEST(Compile, limits_of_the_path) {
  auto input = configuration({session("s", 1, {"eth0"})});
  Surroundings surroundings{{{"eth0", {4}}}, {}, {}};
  Ids ids;
  RuleTables tables;
  const auto limit = [&] {
    return compile(input, surroundings, ids, tables).slots.at(0).attachment.frame_limit;
  };
  const auto fragments = [&] {
    return compile(input, surroundings, ids, tables).slots.at(0).attachment.fragments;
  };
  EXPECT_EQ(limit(), 0U);  // no route, no limit: nothing leaves anyway
  surroundings.paths[parse_address("192.0.2.1")].mtu = 1500;
  EXPECT_EQ(limit(), 1464U);  // 14 bytes of Ethernet and 1450 of IP
  EXPECT_EQ(fragments(), 0);
  input.sessions.at("s").oversize = Oversize::fragment;
  EXPECT_EQ(fragments(), 1);
  EXPECT_EQ(limit(), 1464U);
  input.sessions.at("s").destination = parse_address("2001:db8::1");
  surroundings.paths[parse_address("2001:db8::1")].mtu = 1500;
  EXPECT_EQ(limit(), 1444U);
}

TEST(Compile, ids_stay_and_are_never_used_again) {
  const auto input = configuration({session("s", 1, {"eth0"})});
  Ids ids;
  const uint32_t first = ids.session("s", "f");
  const uint32_t counter = ids.counter("s", "eth0");
  EXPECT_EQ(ids.session("s", "f"), first);
  EXPECT_NE(ids.session("t", "f"), first);
  // With another filter the rules' counters are others; the session's own go on.
  EXPECT_NE(ids.session("s", "g"), first);
  EXPECT_EQ(ids.keep_only(input).size(), 2U);
  EXPECT_EQ(ids.session("s", "f"), first);
  EXPECT_EQ(ids.counter("s", "eth0"), counter);
  EXPECT_EQ(ids.keep_only({}), (std::set{first, counter}));
  EXPECT_NE(ids.session("s", "f"), first);
  EXPECT_NE(ids.counter("s", "eth0"), counter);
}

TEST(Compile, a_filter_is_compiled_once_for_as_long_as_it_is_the_same) {
  auto input = configuration({session("s", 1, {"eth0"})});
  const Surroundings surroundings{{{"eth0", {4}}}, {}, {}};
  Ids ids;
  RuleTables tables;
  const auto first = compile(input, surroundings, ids, tables).rule_tables;
  EXPECT_EQ(compile(input, surroundings, ids, tables).rule_tables, first);
  auto changed = *input.filters.at("f");
  changed.rules[0].pop_back();
  input.filters["f"] = std::make_shared<const Filter>(changed);
  const auto second = compile(input, surroundings, ids, tables).rule_tables;
  EXPECT_NE(second, first);
  EXPECT_EQ(second.at(0)->rules.size(), 1U);
}

}  // namespace
}  // namespace vxtap

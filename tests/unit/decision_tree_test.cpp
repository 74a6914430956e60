#include "agent/model/decision_tree.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "agent/model/compile.h"
#include "agent/model/value.h"

namespace vxtap {
namespace {

std::vector<mirror_rule> compile_all(const std::vector<Rule>& rules) {
  std::vector<mirror_rule> compiled;
  compiled.reserve(rules.size());
  for (const auto& rule : rules) compiled.push_back(compile_rule(rule, Direction::inbound));
  return compiled;
}

// `limit(rule, n)` says what the n-th of them matches, from 0.
template <class Limit>
std::vector<Rule> make_rules(uint32_t count, uint8_t protocol, const Limit& limit) {
  std::vector<Rule> rules;
  rules.reserve(count);
  for (uint32_t n = 0; n < count; ++n) {
    Rule rule{.priority = n + 1, .protocol = protocol};
    limit(rule, n);
    rules.push_back(rule);
  }
  return rules;
}

PortRange ports(uint32_t first, uint32_t last) {
  return {static_cast<uint16_t>(first), static_cast<uint16_t>(last)};
}

// Networks of /24.
std::vector<Rule> separable(uint32_t count) {
  return make_rules(count, 6, [](Rule& rule, uint32_t n) {
    rule.source_cidr =
        parse_cidr("10." + std::to_string(n / 256) + "." + std::to_string(n % 256) + ".0/24");
  });
}

// Wide ranges of ports that all overlap, and none of them hides another: no cut tells them apart.
std::vector<Rule> overlapping(uint32_t count) {
  return make_rules(count, 17, [](Rule& rule, uint32_t n) {
    rule.source_port = ports(n, 30000 + n);
    rule.destination_port = ports(30000 - n, 65535 - n);
  });
}

// Each a little wider than the one before it: the first rules must not be taken for the others.
std::vector<Rule> nested(uint32_t count) {
  return make_rules(count, 17, [](Rule& rule, uint32_t n) {
    rule.destination_port = ports(32000 - n, 32000 + n);
  });
}

// Nodes on the longest way from this one to the end of its tree.
size_t longest_way(const std::vector<mirror_node>& nodes, size_t index) {
  const auto& node = nodes.at(index);
  if (node.kind == MIRROR_NODE_JUMP) return 1 + longest_way(nodes, node.target);
  if (node.kind == MIRROR_NODE_RULE) return 1 + longest_way(nodes, index + 1);
  if (node.kind != MIRROR_NODE_CUT) return 1;
  size_t longest = 0;
  for (size_t child = 0; child < size_t{1} << node.bits; ++child) {
    longest = std::max(longest, longest_way(nodes, node.target + child));
  }
  return 1 + longest;
}

TEST(DecisionTree, ways_stay_short) {
  for (const uint32_t count : {1U, 10U, 100U, 1000U, 10000U}) {
    const auto nodes = build_trees(compile_all(separable(count)));
    EXPECT_LE(longest_way(nodes, 0), 10U) << count;
  }
}

TEST(DecisionTree, nested_ranges_do_not_make_ways_longer) {
  for (const uint32_t count : {10U, 100U, 1000U, 10000U}) {
    const auto nodes = build_trees(compile_all(nested(count)));
    EXPECT_LE(longest_way(nodes, 0), 12U) << count;
  }
}

TEST(DecisionTree, memory_is_bounded) {
  for (const auto& rules : {separable(10000), overlapping(10000), nested(10000)}) {
    EXPECT_LE(build_trees(compile_all(rules)).size(), 8 * rules.size() + 8);
  }
}

TEST(DecisionTree, a_rule_of_either_kind_has_its_own_tree) {
  auto rules = separable(1);
  rules.push_back(overlapping(1)[0]);
  const auto nodes = build_trees(compile_all(rules));
  ASSERT_EQ(nodes.size(), 3U);
  EXPECT_EQ(nodes[0].target, 1U);
  EXPECT_EQ(nodes[1].target, 0U);
  EXPECT_EQ(nodes[2].kind, MIRROR_NODE_END);
}

}  // namespace
}  // namespace vxtap

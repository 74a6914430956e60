#include "agent/model/plan.h"

#include <gtest/gtest.h>

#include "agent/error.h"
#include "agent/model/value.h"

namespace vxtap {
namespace {

Filter filter(const std::string& name, const std::vector<uint32_t>& priorities = {1}) {
  Filter result;
  result.name = name;
  for (const uint32_t priority : priorities) result.rules[0].push_back({.priority = priority});
  return result;
}

Session session(const std::string& name, uint32_t priority, std::optional<uint32_t> vni = {}) {
  Session result;
  result.name = name;
  result.filter = "f";
  result.destination = parse_address("192.0.2.1");
  result.priority = priority;
  result.vni = vni;
  return result;
}

Plan plan(const Configuration& current, const Document& document, bool prune,
          const DrawVni& draw_vni) {
  return make_plan(current, document, prune, {}, draw_vni);
}

DrawVni counting_from(uint32_t first) {
  return [next = first]() mutable { return next++; };
}

std::string actions(const Plan& plan) {
  std::string result;
  for (const auto& change : plan.changes) {
    result += "cx-="[static_cast<size_t>(change.action)] + change.name + " ";
  }
  return result;
}

TEST(Plan, creates_changes_and_leaves) {
  const Document document{{filter("f")}, {session("s", 1, 7)}};
  const auto first = plan({}, document, false, counting_from(1));
  EXPECT_EQ(actions(first), "cf cs ");
  EXPECT_EQ(actions(plan(first.result, document, false, counting_from(1))), "=f =s ");
  const Document changed{{}, {session("s", 2, 7)}};
  const auto second = plan(first.result, changed, false, counting_from(1));
  EXPECT_EQ(actions(second), "xs ");
  EXPECT_TRUE(second.result.filters.contains("f"));
}

TEST(Plan, prunes_only_when_asked) {
  const auto first = plan({}, {{filter("f"), filter("g")}, {session("s", 1), session("t", 2)}},
                          false, counting_from(1));
  const Document smaller{{filter("f")}, {session("s", 1)}};
  EXPECT_EQ(plan(first.result, smaller, false, counting_from(1)).result.sessions.size(), 2U);
  const auto pruned = plan(first.result, smaller, true, counting_from(1));
  EXPECT_EQ(actions(pruned), "-t -g =f =s ");
}

TEST(Plan, draws_a_vni_that_nobody_uses_and_keeps_it) {
  const Document document{{filter("f")}, {session("auto", 1), session("given", 2, 5)}};
  const auto first = plan({}, document, false, counting_from(5));
  EXPECT_EQ(first.result.sessions.at("auto").vni, 6U);
  const auto again = plan(first.result, document, false, counting_from(9));
  EXPECT_EQ(again.result.sessions.at("auto").vni, 6U);
  EXPECT_EQ(actions(again), "=f =auto =given ");
}

TEST(Plan, sorts_rules_and_compares_them_sorted) {
  const auto first = plan({}, {{filter("f", {3, 1, 2})}, {}}, false, counting_from(1));
  EXPECT_EQ(first.result.filters.at("f")->rules[0].front().priority, 1U);
  EXPECT_EQ(actions(plan(first.result, {{filter("f", {2, 3, 1})}, {}}, false, counting_from(1))),
            "=f ");
}

TEST(Plan, refuses_what_does_not_hold_together) {
  const auto first = plan({}, {{filter("f")}, {session("s", 1)}}, false, counting_from(1));
  const auto error_of = [&](const Document& document, bool prune) -> std::string {
    try {
      plan(first.result, document, prune, counting_from(1));
      return "";
    } catch (const Error& error) {
      return error.code + " " + error.field;
    }
  };
  EXPECT_EQ(error_of({{}, {session("t", 1)}}, false), "PriorityTaken sessions[0].priority");
  EXPECT_EQ(error_of({{}, {session("t", 2), session("u", 2)}}, false),
            "DuplicatePriority sessions[1].priority");
  EXPECT_EQ(error_of({{}, {session("t", 1)}}, true), "UnknownFilter sessions[0].filter");
}

TEST(Plan, warns) {
  const Document document{{filter("f", {})}, {session("s", 1, 7), session("t", 2, 7)}};
  const auto made = plan({}, document, false, counting_from(1));
  EXPECT_EQ(made.warnings.size(), 4U);  // no rules, and a shared VNI and destination, each twice
}

}  // namespace
}  // namespace vxtap

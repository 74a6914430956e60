// What holds for every valid document, tried on random ones.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/error.h"
#include "agent/model/document.h"
#include "agent/model/plan.h"
#include "tests/random_documents.h"

namespace vxtap {
namespace {

using test::Random;
using Action = Change::Action;

constexpr uint64_t kDocuments = 3000;  // for each property

template <class Property>
void hold_for_all(Property property) {
  for (uint64_t seed = test::first_seed(); seed < test::first_seed() + kDocuments; ++seed) {
    Random random(seed);
    const auto document = test::random_document(random);
    try {
      property(document, random);
    } catch (const Error& error) {
      ADD_FAILURE() << error.code << " " << error.field << ": " << error.what() << "\n"
                    << error.value;
    }
    if (!testing::Test::HasFailure()) continue;
    FAIL() << "VXTAP_TEST_SEED=" << seed << " with the document\n"
           << test::to_json(document).dump(1);
  }
}

// Draws every number twice, so that a VNI is taken as often as not.
Plan plan(const Configuration& current, const Document& document, bool prune = false,
          uint32_t first_vni = 0) {
  return make_plan(current, document, prune, {},
                   [next = first_vni * 2]() mutable { return next++ / 2; });
}

bool same(const Configuration& a, const Configuration& b) {
  return a.sessions == b.sessions &&
         std::equal(a.filters.begin(), a.filters.end(), b.filters.begin(), b.filters.end(),
                    [](const auto& x, const auto& y) { return *x.second == *y.second; });
}

using Names = std::multiset<std::string>;

// `filter web`: what the plan does with these objects.
Names with_action(const Plan& plan, Action action) {
  Names names;
  for (const auto& change : plan.changes) {
    if (change.action == action) names.insert(change.kind + " " + change.name);
  }
  return names;
}

Names names_of(const Document& document) {
  Names names;
  for (const auto& filter : document.filters) names.insert("filter " + filter.name);
  for (const auto& session : document.sessions) names.insert("session " + session.name);
  return names;
}

Names difference(const Names& all, const Names& without) {
  Names names;
  std::set_difference(all.begin(), all.end(), without.begin(), without.end(),
                      std::inserter(names, names.end()));
  return names;
}

// Every object, and every rule with its direction.
template <class Visit>
void visit(const Document& document, Visit visit_one) {
  for (const auto& session : document.sessions) visit_one(session);
  for (const auto& filter : document.filters) {
    visit_one(filter);
    for (const Direction direction : kDirections) {
      for (const auto& rule : filter.of(direction)) visit_one(DirectedRule{direction, rule});
    }
  }
}

Filter parse_as(const Filter&, const std::string& text) {
  return parse_filter(text);
}
Session parse_as(const Session&, const std::string& text) {
  return parse_session(text);
}
DirectedRule parse_as(const DirectedRule&, const std::string& text) {
  return parse_rule(text);
}

TEST(Property, parsing_what_was_written_is_the_identity) {
  hold_for_all([](const Document& document, Random&) {
    const auto again = parse_document(test::to_json(document).dump());
    EXPECT_TRUE(again.filters == document.filters);
    EXPECT_TRUE(again.sessions == document.sessions);
    visit(document, [](const auto& object) {
      EXPECT_TRUE(parse_as(object, to_json(object).dump()) == object) << to_json(object);
    });
  });
}

TEST(Property, a_patch_of_nothing_or_of_all_there_is_is_the_identity) {
  hold_for_all([](const Document& document, Random&) {
    visit(document, [](const auto& object) {
      EXPECT_TRUE(patch(object, "{}") == object) << to_json(object);
      EXPECT_TRUE(patch(object, to_json(object).dump()) == object) << to_json(object);
    });
  });
}

TEST(Property, applying_an_export_changes_nothing) {
  hold_for_all([](const Document& document, Random&) {
    const auto first = plan({}, document);
    EXPECT_EQ(with_action(first, Action::create), names_of(document));
    const auto exported = parse_document(to_json(first.result).dump());
    for (const auto& current : {first.result, Configuration{}}) {
      EXPECT_TRUE(same(plan(current, exported).result, first.result));
    }
    // The document itself too, although its VNIs may be `auto`.
    for (const auto& again : {exported, document}) {
      const auto second = plan(first.result, again, true, 1000);
      EXPECT_EQ(with_action(second, Action::unchanged), names_of(document));
      EXPECT_EQ(second.changes.size(), names_of(document).size());
      EXPECT_TRUE(same(second.result, first.result));
      // The very same objects: what was compiled from them holds.
      EXPECT_EQ(second.result.filters, first.result.filters);
    }
  });
}

TEST(Property, every_drawn_vni_is_the_sessions_own) {
  hold_for_all([](const Document& document, Random&) {
    const auto result = plan({}, document).result;
    std::multiset<uint32_t> used;
    for (const auto& [name, session] : result.sessions) used.insert(session.vni.value());
    for (const auto& session : document.sessions) {
      const auto vni = result.sessions.at(session.name).vni.value();
      EXPECT_TRUE(session.vni ? vni == *session.vni : used.count(vni) == 1) << session.name;
    }
  });
}

TEST(Property, the_order_of_objects_and_rules_does_not_matter) {
  hold_for_all([](const Document& document, Random& random) {
    auto shuffled = document;
    random.shuffle(shuffled.filters);
    random.shuffle(shuffled.sessions);
    for (auto& filter : shuffled.filters) {
      for (auto& rules : filter.rules) random.shuffle(rules);
    }
    const auto one = plan({}, document);
    const auto other = plan({}, shuffled);
    EXPECT_TRUE(same(one.result, other.result));
    EXPECT_EQ(Names(one.warnings.begin(), one.warnings.end()),
              Names(other.warnings.begin(), other.warnings.end()));
    EXPECT_EQ(with_action(plan(one.result, shuffled), Action::unchanged), names_of(document));
  });
}

// Some of the objects, a few of them changed, and those of another document as far as there is room
// for them: what somebody may apply next.
Document successor(const Document& before, Random& random) {
  auto after = test::random_document(random);
  std::set<std::string> filters;
  std::set<std::string> sessions;
  std::set<uint32_t> priorities;
  for (const auto& filter : after.filters) filters.insert(filter.name);
  for (const auto& session : after.sessions) {
    sessions.insert(session.name);
    priorities.insert(session.priority);
  }
  for (const auto& filter : before.filters) {
    if (random.chance(30) || !filters.insert(filter.name).second) continue;
    after.filters.push_back(filter);
    if (random.chance(30)) after.filters.back().group = "changed";
  }
  for (const auto& session : before.sessions) {
    if (random.chance(30) || !filters.contains(session.filter) || sessions.contains(session.name) ||
        !priorities.insert(session.priority).second) {
      continue;
    }
    after.sessions.push_back(session);
    if (random.chance(30)) after.sessions.back().fall_through = !session.fall_through;
  }
  return after;
}

TEST(Property, prune_removes_exactly_the_others) {
  hold_for_all([](const Document& before, Random& random) {
    const auto current = plan({}, before).result;
    const auto after = successor(before, random);
    const auto pruned = plan(current, after, true, 1000);
    EXPECT_EQ(with_action(pruned, Action::remove), difference(names_of(before), names_of(after)));
    EXPECT_EQ(with_action(pruned, Action::create), difference(names_of(after), names_of(before)));
    EXPECT_EQ(names_of(parse_document(to_json(pruned.result).dump())), names_of(after));
    // What stays is what the document says, whatever was there before but for the drawn VNIs.
    auto settled = after;
    for (auto& session : settled.sessions) {
      if (session.vni) continue;
      session.vni = pruned.result.sessions.at(session.name).vni;
      const auto kept = current.sessions.find(session.name);
      if (kept == current.sessions.end()) continue;
      EXPECT_EQ(session.vni, kept->second.vni);
    }
    EXPECT_TRUE(same(pruned.result, plan({}, settled).result));
  });
}

TEST(Property, without_prune_the_others_stay_as_they_are) {
  hold_for_all([](const Document& before, Random& random) {
    const auto current = plan({}, before).result;
    auto after = successor(before, random);
    // Here the sessions that stay keep their priorities as well.
    std::set<uint32_t> taken;
    std::set<std::string> named;
    for (const auto& session : after.sessions) named.insert(session.name);
    for (const auto& session : before.sessions) {
      if (!named.contains(session.name)) taken.insert(session.priority);
    }
    std::erase_if(after.sessions, [&](const Session& s) { return taken.contains(s.priority); });
    const auto merged = plan(current, after);
    EXPECT_EQ(with_action(merged, Action::remove), Names{});
    const auto others = difference(names_of(before), names_of(after));
    for (const auto& [name, filter] : current.filters) {
      if (others.contains("filter " + name)) {
        // The very same object: what was compiled from it holds.
        EXPECT_EQ(merged.result.filters.at(name), filter) << name;
      }
    }
    for (const auto& [name, session] : current.sessions) {
      if (others.contains("session " + name)) {
        EXPECT_TRUE(merged.result.sessions.at(name) == session) << name;
      }
    }
    EXPECT_EQ(merged.result.filters.size() + merged.result.sessions.size(),
              others.size() + names_of(after).size());
  });
}

// The values that a field had over all documents.
TEST(Property, the_documents_cover_the_whole_ranges) {
  std::set<int> protocols;
  std::set<std::pair<Family, int>> networks;
  std::set<uint32_t> rule_priorities;
  std::set<uint32_t> session_priorities;
  std::set<std::optional<uint32_t>> vnis;
  std::set<uint32_t> lengths;
  std::set<int> ports;
  std::set<size_t> tags;
  std::set<size_t> rules;
  hold_for_all([&](const Document& document, Random&) {
    for (const auto& session : document.sessions) {
      session_priorities.insert(session.priority);
      vnis.insert(session.vni);
      lengths.insert(session.packet_length);
      tags.insert(session.tags.size());
    }
    for (const auto& filter : document.filters) {
      for (const auto& list : filter.rules) {
        rules.insert(list.size());
        for (const auto& rule : list) {
          rule_priorities.insert(rule.priority);
          protocols.insert(rule.protocol ? *rule.protocol : -1);
          for (const auto& cidr : {rule.source_cidr, rule.destination_cidr}) {
            if (cidr) networks.emplace(cidr->network.family, cidr->prefix_length);
          }
          for (const auto& range : {rule.source_port, rule.destination_port}) {
            ports.insert(range ? range->first : -1);
            ports.insert(range ? range->last : -1);
          }
        }
      }
    }
  });
  EXPECT_EQ(protocols.size(), 257U);      // 0–255 and `all`
  EXPECT_EQ(networks.size(), 33U + 129);  // 0–32 and 0–128
  EXPECT_EQ(rules.size(), 41U);           // 0–40
  EXPECT_EQ(tags.size(), 21U);            // 0–20
  const auto ends = [](const auto& values) { return std::pair(*values.begin(), *values.rbegin()); };
  EXPECT_EQ(ends(rule_priorities), std::pair(1U, 16777216U));
  EXPECT_EQ(ends(session_priorities), std::pair(1U, 32766U));
  EXPECT_EQ(ends(lengths), std::pair(64U, 8500U));
  EXPECT_EQ(ends(ports), std::pair(-1, 65535));
  EXPECT_TRUE(ports.contains(0));
  EXPECT_TRUE(vnis.contains(std::nullopt) && vnis.contains(0) && vnis.contains(16777215));
}

}  // namespace
}  // namespace vxtap

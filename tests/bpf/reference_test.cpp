// The loaded programs decide as plain C++ does, on random configurations and packets.
// VXTAP_TEST_PAIRS says how many pairs of the two at least, for slow machines.

#include <algorithm>
#include <cstring>
#include <iomanip>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/model/document.h"
#include "agent/model/plan.h"
#include "agent/model/value.h"
#include "tests/bpf/mirror_fixture.h"
#include "tests/bpf/reference.h"
#include "tests/bpf/tally.h"

namespace vxtap::test {
namespace {

constexpr uint64_t kPairs = 120000;
constexpr size_t kFewRules = 40;
constexpr size_t kManyRules = 1000;  // of a direction: decision trees of some depth
constexpr int kSessionSets = 3;      // over the same filters: a switch to others takes far longer
constexpr int kPacketsOfASet = 500;
constexpr int kCountedOne = 40;  // in so many packets: also goes through, with its counters

std::string text_of(const PacketFields& packet) {
  auto text = protocol_to_string(packet.protocol) + " " + to_string(packet.source) + " > " +
              to_string(packet.destination);
  if (!packet.ports) return text;
  return text + " ports " + std::to_string(packet.ports->source) + " > " +
         std::to_string(packet.ports->destination);
}

std::string text_of(const std::string& session, uint32_t priority, bool collect) {
  return session + ":" + std::to_string(priority) + (collect ? " collect" : " ignore");
}

// `tcp 10.0.0.1 > 10.0.0.2 ports 1 > 2, ids:none, npm:10 collect`
std::string text_of(const Sample& sample, const Expectation& expectation) {
  if (expectation.kind == Expectation::Kind::no_source) return "no source";
  if (expectation.kind == Expectation::Kind::skipped) return "skipped";
  auto text = text_of(*sample.fields);
  if (expectation.kind == Expectation::Kind::own) return text + ", own";
  for (const auto& [session, decision] : expectation.tried) {
    const auto& [rule, doubtful] = decision;
    text += ", ";
    if (doubtful) {
      text += session->name + ":undecided";
    } else if (rule == nullptr) {
      text += session->name + ":none";
    } else {
      text += text_of(session->name, rule->priority, rule->policy == Policy::collect);
    }
  }
  return text;
}

Address address_of(uint8_t family, const __be32 (&words)[4]) {
  Address address{static_cast<Family>(family), {}};
  std::memcpy(address.bytes.data(), words, sizeof(words));
  return address;
}

// The same of what the program says.
std::string text_of(const Explanation& explanation, const std::map<uint32_t, std::string>& names) {
  const auto& seen = explanation.packet;
  if (seen.counters.seen_packets == 0) return "no source";
  if (seen.counters.skipped_packets > 0) return "skipped";
  PacketFields packet{address_of(seen.family, seen.source),
                      address_of(seen.family, seen.destination),
                      seen.protocol,
                      {}};
  if (seen.ports_seen != 0) packet.ports = {seen.source_port, seen.destination_port};
  auto text = text_of(packet);
  if (seen.counters.own_packets > 0) text += ", own";
  for (const auto& one : explanation.sessions) {
    const auto& name = names.at(one.session_id);
    text += ", ";
    if (one.doubtful != 0) {
      text += name + ":undecided";
    } else if (one.found == 0) {
      text += name + ":none";
    } else {
      text += text_of(name, one.rule_id & 0x7fffffff, one.policy == MIRROR_COLLECT);
    }
  }
  return text;
}

// What MirrorFixture::run() reads from the counters.
Outcome outcome_of(const Sample& sample, const Expectation& expectation) {
  Outcome outcome;
  const uint64_t size = sample.packet.bytes().size();
  bool doubtful = false;
  for (const auto& [session, decision] : expectation.tried) {
    const Rule* rule = decision.rule;
    doubtful = decision.doubtful;
    if (rule == nullptr) continue;
    const bool collect = rule->policy == Policy::collect;
    outcome.decision +=
        (outcome.decision.empty() ? "" : ", ") + text_of(session->name, rule->priority, collect);
    if (!collect) continue;
    const uint64_t limit = sample.network_offset + session->packet_length;
    outcome.counters.matched_packets += 1;
    outcome.counters.matched_bytes += size;
    outcome.counters.mirrored_packets += 1;
    outcome.counters.mirrored_bytes += std::min(size, limit);
    outcome.counters.truncated_packets += size > limit ? 1 : 0;
  }
  if (expectation.kind == Expectation::Kind::skipped) outcome.decision = "skipped";
  if (expectation.kind == Expectation::Kind::own) outcome.decision = "own";
  // The sessions before it may have copied the packet all the same.
  if (doubtful)
    outcome.decision = "undecided" + (outcome.decision.empty() ? "" : ", " + outcome.decision);
  if (outcome.decision.empty()) outcome.decision = "none";
  return outcome;
}

std::string hex(const Bytes& bytes) {
  std::ostringstream text;
  text << std::hex << std::setfill('0');
  for (const unsigned byte : bytes) text << std::setw(2) << byte;
  return text.str();
}

class Reference : public MirrorFixture {
 protected:
  // The programs on random filters, with one set of sessions after another.
  void compare_scene(uint64_t seed, size_t most_rules) {
    SCOPED_TRACE("VXTAP_TEST_SEED=" + std::to_string(seed));
    Random random(seed);
    auto scene = random_scene(random, most_rules);
    for (int i = 0; i < kSessionSets; ++i) {
      draw_sessions(random, scene, kSource);
      ASSERT_NO_FATAL_FAILURE(compare_packets(scene, random));
    }
  }

  Tally tally_;
  uint64_t counted_ = 0;

 private:
  // Stops at the first difference.
  void compare_packets(const Scene& scene, Random& random) {
    const auto draw_vni = [&] { return random.number(0U, 16777215U); };
    const auto document = to_json(make_plan({}, scene.document, false, {}, draw_vni).result);
    configure(document.dump());
    std::map<uint32_t, std::string> names;
    for (const auto& [name, session] : configuration().sessions) {
      names.emplace(session_id(session), name);
    }
    for (int i = 0; i < kPacketsOfASet; ++i) {
      const auto sample = random_sample(random, scene);
      const auto expectation = expect_of(configuration(), kSource, sample);
      tally_.add(sample, expectation);
      EXPECT_EQ(text_of(explain(sample.packet, sample.direction), names),
                text_of(sample, expectation));
      if (i % kCountedOne == 0) compare_counters(sample, expectation);
      if (!HasFailure()) continue;
      FAIL() << "packet " << i << ", " << to_string(sample.direction) << " "
             << hex(sample.packet.bytes()) << "\n"
             << document.dump(1);
    }
  }

  void compare_counters(const Sample& sample, const Expectation& expectation) {
    ++counted_;
    const auto found = run(sample.packet, sample.direction);
    const auto expected = outcome_of(sample, expectation);
    EXPECT_EQ(found.decision, expected.decision);
    EXPECT_EQ(found.verdict, -1);  // TC_ACT_UNSPEC, TCX_NEXT
    EXPECT_TRUE(found.unchanged);
    EXPECT_EQ(found.counters.matched_packets, expected.counters.matched_packets);
    EXPECT_EQ(found.counters.matched_bytes, expected.counters.matched_bytes);
    EXPECT_EQ(found.counters.mirrored_packets, expected.counters.mirrored_packets);
    EXPECT_EQ(found.counters.mirrored_bytes, expected.counters.mirrored_bytes);
    EXPECT_EQ(found.counters.truncated_packets, expected.counters.truncated_packets);
  }
};

struct Share {
  const char* what;
  double least;  // percent of all pairs
};
constexpr Share kShares[] = {{"collect", 20},
                             {"ignore", 20},
                             {"none", 20},
                             {"no source", 1},
                             {"own", 1},
                             {"skipped", 1},
                             {"near miss", 15},
                             {"undecided", 1},
                             {"several sessions tried", 25},
                             {"several decisions", 5},
                             {"outbound", 40},
                             {"IPv6", 40},
                             {"tags", 25},
                             {"extension headers", 15},
                             {"first fragment", 5},
                             {"later fragment", 8},
                             {"hidden ports", 4},
                             {"packet of tcp", 8},
                             {"packet of udp", 8},
                             {"packet of sctp", 8},
                             {"packet of icmp", 3},
                             {"packet of icmpv6", 3},
                             {"packet of gre", 3},
                             {"packet of 89", 3},
                             {"decided with an IPv4 network", 10},
                             {"decided with an IPv6 network", 10},
                             {"decided with ports of tcp", 1.5},
                             {"decided with ports of udp", 1.5},
                             {"decided with ports of sctp", 1.5}};

TEST_F(Reference, the_program_decides_as_plain_code_does) {
  const uint64_t pairs = environment_number("VXTAP_TEST_PAIRS", kPairs);
  for (uint64_t seed = first_seed(); tally_.packets() < pairs; ++seed) {
    ASSERT_NO_FATAL_FAILURE(compare_scene(seed, kFewRules));
  }
  std::cout << tally_.packets() << " pairs, " << counted_
            << " of them with counters: " << tally_.text() << std::endl;
  // A test of nothing but misses would prove nothing.
  for (const auto& [what, least] : kShares) EXPECT_GE(tally_.percent(what), least) << what;
  EXPECT_GE(counted_, tally_.packets() / 60);
}

TEST_F(Reference, also_with_many_rules) {
  const uint64_t pairs = environment_number("VXTAP_TEST_PAIRS", kPairs) / 4;
  for (uint64_t seed = first_seed(); tally_.packets() < pairs; ++seed) {
    ASSERT_NO_FATAL_FAILURE(compare_scene(seed, kManyRules));
  }
  std::cout << tally_.packets() << " pairs: " << tally_.text() << std::endl;
  for (const auto* what : {"collect", "ignore"}) EXPECT_GE(tally_.percent(what), 20) << what;
}

}  // namespace
}  // namespace vxtap::test

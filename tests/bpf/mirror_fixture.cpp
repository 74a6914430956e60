#include "tests/bpf/mirror_fixture.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "agent/kernel/check.h"
#include "agent/model/document.h"
#include "agent/model/plan.h"

namespace vxtap::test {
namespace {

constexpr int kNext = -1;  // TC_ACT_UNSPEC, TCX_NEXT
constexpr uint16_t kPort = 4789;
constexpr uint32_t kIfindex = 1;  // of the loopback device, in every network namespace
constexpr uint32_t kPathMtu = 9000;
constexpr uint32_t kCb = 0x01020304;
constexpr uint32_t kMark = 0x00770077;

}  // namespace

struct MirrorFixture::Snapshot {
  mirror_source_counters source{};
  mirror_counters total{};
  mirror_rule_counters of_rules{};
  // (priority of the session, its name, direction, priority of the rule) -> packets, collected
  std::map<std::tuple<uint32_t, std::string, Direction, uint32_t>, std::pair<uint64_t, bool>> rules;
};

MirrorFixture::MirrorFixture() : tunnel_(network_, kPort, pins_), datapath_(kPort, pins_) {
  datapath_.use_devices(tunnel_.devices());
}

void MirrorFixture::configure(const std::string& text) {
  const auto document = parse_document(text);
  configuration_ = make_plan(configuration_, document, true, {}, [] { return 1U; }).result;
  Surroundings surroundings;
  surroundings.interfaces[kSource] = {kIfindex};
  for (const auto& [name, session] : configuration_.sessions) {
    surroundings.paths[session.destination] = {.mtu = kPathMtu, .local = true};
  }
  // What earlier configurations have counted would make every snapshot longer.
  datapath_.counters().forget([](uint32_t) { return true; },
                              [](mirror_rule_counter_key) { return true; });
  datapath_.publish(compile(configuration_, surroundings, ids_, rule_tables_));
  rule_tables_.keep_only(configuration_);
}

Explanation MirrorFixture::explain(const Packet& packet, Direction direction) {
  return datapath_.explain(kIfindex, direction, packet.bytes());
}

void MirrorFixture::configure_rules(const std::string& inbound, const std::string& outbound) {
  configure(R"({"filters": [{"name": "f", "inbound": [)" + inbound + R"(], "outbound": [)" +
            outbound + R"(]}], "sessions": [{"name": "s", "filter": "f", "sources": ["lo"],
            "destination": "192.0.2.9", "vni": 7, "priority": 1, "enabled": true}]})");
}

void MirrorFixture::expect(const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    SCOPED_TRACE(row.description);
    const auto outcome = run(row.packet, row.direction);
    EXPECT_EQ(outcome.decision, row.decision);
    EXPECT_EQ(outcome.verdict, kNext);
    EXPECT_TRUE(outcome.unchanged);
    EXPECT_EQ(outcome.counters.matched_packets, outcome.counters.mirrored_packets);
  }
}

MirrorFixture::Snapshot MirrorFixture::snapshot() const {
  Snapshot result;
  auto ids = ids_;
  const auto matched = datapath_.counters().of_rules();
  result.source = datapath_.counters().of_source(ids.source(kSource));
  for (const auto& [name, session] : configuration_.sessions) {
    for (const Direction direction : kDirections) {
      const auto counters = datapath_.counters().of(ids.counter(name, kSource), direction);
      result.total.matched_packets += counters.matched_packets;
      result.total.matched_bytes += counters.matched_bytes;
      result.total.mirrored_packets += counters.mirrored_packets;
      result.total.mirrored_bytes += counters.mirrored_bytes;
      result.total.truncated_packets += counters.truncated_packets;
      for (const auto& rule : configuration_.filters.at(session.filter)->of(direction)) {
        const auto counted =
            matched.find({ids.session(name, session.filter),
                          mirror_rule_id(static_cast<uint32_t>(direction), rule.priority)});
        const uint64_t packets = counted == matched.end() ? 0 : counted->second.packets;
        result.rules[{session.priority, name, direction, rule.priority}] = {
            packets, rule.policy == Policy::collect};
        if (counted == matched.end()) continue;
        result.of_rules.packets += counted->second.packets;
        result.of_rules.bytes += counted->second.bytes;
      }
    }
  }
  return result;
}

Outcome MirrorFixture::run(const Packet& packet, Direction direction, SuperPacket super_packet) {
  const auto before = snapshot();
  const Bytes in = packet.bytes();
  Bytes out(in.size() + 64);
  __sk_buff context{};
  context.ifindex = kIfindex;
  context.mark = kMark;
  context.gso_size = super_packet.gso_size;
  context.gso_segs = super_packet.gso_segs;
  std::fill(std::begin(context.cb), std::end(context.cb), kCb);
  __sk_buff after_context{};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in.data(), .data_out = out.data(),
              .data_size_in = static_cast<uint32_t>(in.size()),
              .data_size_out = static_cast<uint32_t>(out.size()), .ctx_in = &context,
              .ctx_out = &after_context, .ctx_size_in = sizeof(context),
              .ctx_size_out = sizeof(after_context));
  check(bpf_prog_test_run_opts(datapath_.program(direction), &options), "BPF_PROG_TEST_RUN");
  const auto after = snapshot();

  Outcome outcome;
  outcome.verdict = static_cast<int>(options.retval);
  out.resize(options.data_size_out);
  outcome.unchanged = out == in && after_context.mark == kMark &&
                      std::all_of(std::begin(after_context.cb), std::end(after_context.cb),
                                  [](uint32_t word) { return word == kCb; });
  outcome.rules.packets = after.of_rules.packets - before.of_rules.packets;
  outcome.rules.bytes = after.of_rules.bytes - before.of_rules.bytes;
  outcome.counters.matched_packets = after.total.matched_packets - before.total.matched_packets;
  outcome.counters.matched_bytes = after.total.matched_bytes - before.total.matched_bytes;
  outcome.counters.mirrored_packets = after.total.mirrored_packets - before.total.mirrored_packets;
  outcome.counters.mirrored_bytes = after.total.mirrored_bytes - before.total.mirrored_bytes;
  outcome.counters.truncated_packets =
      after.total.truncated_packets - before.total.truncated_packets;
  if (after.source.skipped_packets > before.source.skipped_packets) outcome.decision = "skipped";
  if (after.source.own_packets > before.source.own_packets) outcome.decision = "own";
  if (after.source.undecided_packets > before.source.undecided_packets) {
    outcome.decision = "undecided";
  }
  for (const auto& [key, counted] : after.rules) {
    if (counted.first == before.rules.at(key).first) continue;
    outcome.decision += (outcome.decision.empty() ? "" : ", ") + std::get<1>(key) + ":" +
                        std::to_string(std::get<3>(key)) +
                        (counted.second ? " collect" : " ignore");
  }
  if (outcome.decision.empty()) outcome.decision = "none";
  return outcome;
}

}  // namespace vxtap::test

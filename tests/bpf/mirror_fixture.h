#pragma once

// The real programs, loaded, with the real tunnel devices: a packet goes in by BPF_PROG_TEST_RUN,
// and what was decided is read from the counters.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "agent/kernel/datapath.h"
#include "agent/kernel/network.h"
#include "agent/kernel/tunnel.h"
#include "agent/model/compile.h"
#include "tests/bpf/packet.h"

namespace vxtap::test {

struct Outcome {
  // `none`, `skipped`, `own`, `undecided`, or what each matching session's rule decided:
  // `ids:10 collect, npm:20 ignore`.
  std::string decision;
  mirror_counters counters{};    // of all sessions, both directions
  mirror_rule_counters rules{};  // of all of their rules
  int verdict = 0;
  bool unchanged = false;  // the packet's bytes and its cb, mark and priority
};

// What the kernel says of a packet that stands for many.
struct SuperPacket {
  uint32_t gso_size = 0;  // bytes of each one's payload; 0: it stands for itself
  uint32_t gso_segs = 0;
};

// A packet and what is to become of it.
struct Row {
  const char* description = nullptr;
  Packet packet;
  const char* decision = nullptr;
  Direction direction = Direction::inbound;
};

class MirrorFixture : public testing::Test {
 protected:
  MirrorFixture();

  // One after the other; and none of them touches the packet.
  void expect(const std::vector<Row>& rows);

  // One session `s` over the given inbound and outbound rules.
  void configure_rules(const std::string& inbound, const std::string& outbound = "");

  // The document's sessions have the source kSource.
  void configure(const std::string& document);
  Outcome run(const Packet& packet, Direction direction = Direction::inbound,
              SuperPacket super_packet = {});
  // What the program says that it would do.
  Explanation explain(const Packet& packet, Direction direction);
  const Configuration& configuration() const { return configuration_; }
  uint32_t session_id(const Session& session) { return ids_.session(session.name, session.filter); }

  static constexpr const char* kSource = "lo";

 private:
  struct Snapshot;
  Snapshot snapshot() const;

  Network network_;
  Pins pins_;
  TunnelOwner tunnel_;
  Datapath datapath_;
  Ids ids_;
  RuleTables rule_tables_;
  Configuration configuration_;
};

}  // namespace vxtap::test

#pragma once

// The real programs, loaded, with the real tunnel devices: a packet goes in by BPF_PROG_TEST_RUN,
// and what was decided is read from the counters.

#include <gtest/gtest.h>

#include <string>

#include "agent/kernel/datapath.h"
#include "agent/kernel/network.h"
#include "agent/kernel/tunnel.h"
#include "agent/model/compile.h"
#include "tests/bpf/packet.h"

namespace vxtap::test {

struct Outcome {
  // `none`, `skipped`, `own`, or what each matching session's rule decided:
  // `ids:10 collect, npm:20 ignore`.
  std::string decision;
  mirror_counters counters{};  // of all sessions, both directions
  int verdict = 0;
  bool unchanged = false;  // the packet's bytes and its cb, mark and priority
};

class MirrorFixture : public testing::Test {
 protected:
  MirrorFixture();
  ~MirrorFixture() override;

  // The document's sessions have the source kSource.
  void configure(const std::string& document);
  Outcome run(const Packet& packet, Direction direction = Direction::inbound);

  static constexpr const char* kSource = "source0";

 private:
  struct Snapshot;
  Snapshot snapshot() const;

  Network network_;
  uint32_t ifindex_;
  TunnelOwner tunnel_;
  Datapath datapath_;
  Ids ids_;
  RuleTables rule_tables_;
  Configuration configuration_;
};

}  // namespace vxtap::test

#pragma once

// The loaded programs and their maps: the only place, with hooks.cpp, that calls libbpf.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/kernel/hooks.h"
#include "agent/model/compile.h"
#include "bpf/mirror_abi.h"

struct mirror;  // the skeleton

namespace vxtap {

// The devices that copies go through, by ifindex.
struct TunnelDevices {
  uint32_t tunnel = 0;
  uint32_t segmenter = 0;
  uint32_t segmenter_port = 0;
  uint32_t framer = 0;
};

using RuleCounters = std::map<std::pair<uint32_t, uint32_t>, mirror_rule_counters>;

// What the loaded programs would do with a packet.
struct Explanation {
  mirror_explanation packet{};
  std::vector<mirror_explained_session> sessions;  // those that were tried, in their order
};

class Datapath {
 public:
  // Loads the programs. `tunnel_port`: UDP port of the copies. Throws Error(internal) with one
  // sentence that says what the machine lacks.
  explicit Datapath(uint16_t tunnel_port);
  ~Datapath();
  Datapath(const Datapath&) = delete;
  Datapath& operator=(const Datapath&) = delete;

  AttachMode attach_mode() const { return attach_mode_; }
  void use_devices(const TunnelDevices& devices);

  // Switches every packet from the running configuration to this one in one step. On an error the
  // running one stays as it is. Counters go on.
  void publish(const CompiledConfiguration& configuration);

  void attach(uint32_t ifindex);
  void detach(uint32_t ifindex) { sources_.erase(ifindex); }
  bool attached(uint32_t ifindex) const { return sources_.contains(ifindex); }
  std::set<uint32_t> attached() const;

  // Sums over the CPUs; zeros where nothing was counted yet.
  mirror_counters counters(uint32_t counter_id, Direction direction) const;
  mirror_source_counters source_counters(uint32_t source_id) const;
  // Of the rules that have matched a packet, by (session_id, rule_id).
  RuleCounters rule_counters() const;

  // Takes away the counters of which these say that nobody will ask for them again.
  void forget_counters(const std::function<bool(uint32_t counter_id)>& forgotten,
                       const std::function<bool(mirror_rule_counter_key)>& rule_forgotten);

  // Asks the program that stands at that hook of the interface. Nothing is counted, no copy is
  // made. `frame` begins with its Ethernet header. Throws Error(invalid, MalformedPacket) for a
  // frame without a whole Ethernet header or, if that says so, a whole IP header.
  Explanation explain(uint32_t ifindex, Direction direction, std::span<const uint8_t> frame);

  // File descriptor of a program, for BPF_PROG_TEST_RUN.
  int program(Direction direction) const;

 private:
  using Hooks = std::vector<Hook>;
  Hooks attach_programs(uint32_t ifindex, const std::vector<std::pair<int, Direction>>& programs);
  void make_counters(const CompiledConfiguration& configuration);
  void publish_destinations(const CompiledConfiguration& configuration);
  std::vector<uint32_t> publish_rule_tables(const std::vector<SharedRuleTable>& tables);
  void publish_slots(const CompiledConfiguration& configuration,
                     const std::vector<uint32_t>& table_numbers);
  void drop_unused(const CompiledConfiguration& configuration,
                   const std::vector<uint32_t>& table_numbers);

  struct DestroySkeleton {
    void operator()(struct mirror* skeleton) const;
  };
  std::unique_ptr<struct mirror, DestroySkeleton> skeleton_;
  AttachMode attach_mode_ = AttachMode::tcx;
  std::map<uint32_t, ClsactQdisc> qdiscs_;  // before the hooks, which go first
  std::vector<Hooks> devices_;
  std::map<uint32_t, Hooks> sources_;
  std::map<SharedRuleTable, uint32_t> rule_tables_;  // -> its number in the kernel
  std::set<uint32_t> counters_;                      // counter_ids that have their entries
  std::map<uint32_t, mirror_destination> destinations_;
  std::map<Address, mirror_collector> collectors_;
};

}  // namespace vxtap

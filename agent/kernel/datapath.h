#pragma once

// The loaded programs and their maps: the only place, with its neighbours, that calls libbpf.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "agent/kernel/counters.h"
#include "agent/kernel/hooks.h"
#include "agent/kernel/pins.h"
#include "agent/kernel/rule_table_maps.h"
#include "agent/kernel/underlay_hooks.h"
#include "agent/model/compile.h"
#include "bpf/mirror_abi.h"

struct bpf_program;
struct mirror;  // the skeleton

namespace vxtap {

// The devices that copies go through, by ifindex.
struct TunnelDevices {
  uint32_t tunnel = 0;
  uint32_t segmenter = 0;
  uint32_t segmenter_port = 0;
  uint32_t framer = 0;
};

// What the loaded programs would do with a packet.
struct Explanation {
  mirror_explanation packet{};
  std::vector<mirror_explained_session> sessions;  // those that were tried, in their order
};

class Datapath {
 public:
  // Loads the programs, with the maps that a predecessor has pinned. `tunnel_port`: UDP port of the
  // copies. Throws Error(internal) with one sentence that says what the machine lacks.
  Datapath(uint16_t tunnel_port, Pins& pins);
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

  // Interfaces of the underlay on which a program of ours may write the outer headers; none without
  // TCX, where it would not be the first one.
  UnderlayHooks& underlays() { return underlays_; }
  // The agent has just looked at the links: see is_link_down() in bpf/way.h.
  void links_are_fresh();

  // When the first configuration is published and its hooks are attached: removes what else a
  // predecessor has left on these interfaces, after its counts have been carried over.
  void finish_takeover(const std::set<uint32_t>& interfaces);
  // Of other interfaces, which are gone, nothing needs to be taken away any more.
  void forget_gone(const std::set<uint32_t>& interfaces);

  // The numbers are those of the published configurations.
  const Counters& counters() const { return counters_; }
  Counters& counters() { return counters_; }

  // Asks the program that stands at that hook of the interface. Nothing is counted, no copy is
  // made. `frame` begins with its Ethernet header. Throws Error(invalid, MalformedPacket) for a
  // frame without a whole Ethernet header or, if that says so, a whole IP header.
  Explanation explain(uint32_t ifindex, Direction direction, std::span<const uint8_t> frame);

  // File descriptor of a program, for BPF_PROG_TEST_RUN.
  int program(Direction direction) const;

 private:
  using Hooks = std::vector<Hook>;
  void use_pins();
  void adopt();
  Hook attach_program(const bpf_program* program, const HookPlace& place);
  void publish_destinations(const CompiledConfiguration& configuration);
  void publish_slots(const CompiledConfiguration& configuration,
                     const std::vector<uint32_t>& table_numbers);
  void drop_destinations(const CompiledConfiguration& configuration);

  struct DestroySkeleton {
    void operator()(struct mirror* skeleton) const;
  };
  Pins& pins_;
  std::unique_ptr<struct mirror, DestroySkeleton> skeleton_;
  AttachMode attach_mode_ = AttachMode::tcx;
  RuleTableMaps rule_tables_;
  std::map<uint32_t, ClsactQdisc> qdiscs_;  // before the hooks, which go first
  Hooks devices_;
  UnderlayHooks underlays_;  // they go after the sources, whose copies need them
  std::map<uint32_t, Hooks> sources_;
  Counters counters_;
  std::map<uint32_t, mirror_destination> destinations_;
  std::map<Address, mirror_collector> collectors_;
};

}  // namespace vxtap

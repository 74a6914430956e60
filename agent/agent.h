#pragma once

// Holds the configuration and keeps the kernel in step with it and with the host: every change goes
// model -> compile -> datapath, and so does every event of the network.

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/kernel/datapath.h"
#include "agent/kernel/network.h"
#include "agent/kernel/tunnel.h"
#include "agent/model/compile.h"
#include "agent/model/objects.h"
#include "agent/model/plan.h"
#include "agent/settings.h"
#include "agent/sources.h"
#include "agent/store.h"
#include "agent/underlay.h"

namespace vxtap {

class Agent {
 public:
  // Takes hold of the network namespace and the state directory: loads the programs, makes the
  // tunnel's devices, and mirrors what the state says. Throws Error with one sentence that says
  // what is missing, leaving nothing behind.
  Agent(const Settings& settings, const std::filesystem::path& state_directory);

  // Makes the plan's result the configuration, all or nothing: when it returns, the change is on
  // disk and in the kernel. `finish` is called in between, with warnings for people, when both hold
  // it but it may still be taken back; what it writes to the store is kept with the change. Throws
  // what refuse_conflicts() and the store do, or what `finish` does; then nothing has changed.
  using Finish = std::function<void(const std::vector<std::string>& warnings, Store& store)>;
  void commit(const Plan& plan, const Finish& finish);
  // Refuses what commit() would refuse because of the host's addresses, and gives the warnings that
  // it would give, as far as they can be known before the kernel was asked.
  std::vector<std::string> check(const Plan& plan);

  // Brings the kernel in step with interfaces, addresses and routes as they are now.
  void on_network_change();
  // Copies to the collector were answered with an ICMP error.
  void on_refusal(const Address& collector) { underlay_.on_refusal(collector); }
  // What needs no event: to be called every second.
  void on_tick();

  const Configuration& configuration() const { return configuration_; }
  SourceStatus source_status(const std::string& interface) const;
  const std::map<std::string, SourceStatus>& sources() const { return sources_; }
  // What is wrong, in sentences that say with which source or session.
  std::vector<std::string> problems();
  std::vector<Link> links() { return network_.links(); }

  // What was counted since the session came to be; see SPEC §3.
  mirror_counters counters(const std::string& session, const std::string& interface,
                           Direction direction) const;
  mirror_source_counters source_counters(const std::string& interface) const;
  // Of the rules that have matched a packet, by session_id() and mirror_rule_id().
  RuleCounters rule_counters() const { return datapath_.rule_counters(); }
  uint32_t session_id(const Session& session) const {
    return ids_.session(session.name, session.filter);
  }
  // Interfaces that are a source of the session, or were and have been counted.
  std::set<std::string> counted_sources(const std::string& session) const;

  // Asks the loaded program; see Datapath.
  Explanation explain(uint32_t ifindex, Direction direction, std::span<const uint8_t> frame) {
    return datapath_.explain(ifindex, direction, frame);
  }
  // What the kernel holds.
  const CompiledConfiguration& published() const { return published_; }

  const Settings& settings() const { return settings_; }
  const Store& store() const { return store_; }
  AttachMode attach_mode() const { return datapath_.attach_mode(); }
  std::chrono::seconds uptime() const;

 private:
  void take_back(const Configuration& before) noexcept;
  void forget_counters(const Configuration& before);
  void reconcile();
  void refresh_sources(const std::vector<Link>& links, const AddressesByInterface& addresses);
  Surroundings surroundings(const std::vector<Link>& links, const AddressesByInterface& addresses);
  void update_hooks(const std::vector<Link>& links, const CompiledConfiguration& compiled);

  Settings settings_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  NamespaceLock lock_;
  Store store_;
  Network network_;
  Underlay underlay_;
  TunnelOwner tunnel_;
  Datapath datapath_;  // after the tunnel: its programs go before the devices do
  mutable Ids ids_;
  RuleTables rule_tables_;
  Configuration configuration_;
  CompiledConfiguration published_;
  std::map<std::string, SourceStatus> sources_;
  std::map<std::string, std::set<std::string>> counted_;
};

}  // namespace vxtap

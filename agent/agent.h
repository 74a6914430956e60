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

#include "agent/accounts.h"
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
  // tunnel's devices or takes over what a predecessor has left at work, and mirrors what the state
  // says. Throws Error with one sentence that says what is missing, leaving all as it was.
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
  // To be called before a clean end: whether the mirror goes on then. Counters are kept either way.
  void prepare_end(bool keep_mirroring);

  const Configuration& configuration() const { return configuration_; }
  SourceStatus source_status(const std::string& interface) const;
  const std::map<std::string, SourceStatus>& sources() const { return sources_; }
  std::vector<SessionSource> sources_of(const Session& session) const {
    return vxtap::sources_of(session, sources_, near_ends_);
  }
  // What a user should know of a session as it is, and as the host lets it be. Sentences.
  std::vector<std::string> notes_on(const Session& session);
  // Who writes the outer headers of the copies to each destination in use.
  std::map<Address, Underlay::Encapsulation> encapsulations();
  // What is wrong, in sentences that say with which source or session, and what to do.
  std::vector<std::string> problems();
  // What is wrong with the ways to collectors, by their addresses.
  std::map<Address, std::string> collector_problems() { return underlay_.problems(); }
  std::vector<Link> links() { return network_.links(); }

  const Accounts& accounts() const { return accounts_; }

  // Asks the loaded program; see Datapath.
  Explanation explain(uint32_t ifindex, Direction direction, std::span<const uint8_t> frame) {
    return datapath_.explain(ifindex, direction, frame);
  }
  // What the kernel holds.
  const CompiledConfiguration& published() const { return published_; }

  const Settings& settings() const { return settings_; }
  // For what is written from now on; what is there already stays.
  void use_limits(const Limits& limits) { settings_.limits = limits; }
  const Store& store() const { return store_; }
  AttachMode attach_mode() const { return datapath_.attach_mode(); }
  std::chrono::seconds uptime() const;

 private:
  void take_back(const Configuration& before) noexcept;
  void reconcile();
  void follow_namespaces();
  void refresh_sources(const std::vector<Link>& links, const AddressesByInterface& addresses);
  Surroundings surroundings(const std::vector<Link>& links, const AddressesByInterface& addresses);
  Underlay::Hooked underlay_hooked();
  std::string why_not_in_fragments(const Session& session);
  std::vector<std::string> warnings_of(const Plan& plan,
                                       const std::map<std::string, SourceStatus>& states,
                                       const NearEnds& near_ends);
  void update_hooks(const std::vector<Link>& links, const std::set<uint32_t>& wanted);

  Settings settings_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  NamespaceLock lock_;
  Store store_;
  Pins pins_;
  Network network_;
  TunnelOwner tunnel_;
  Datapath datapath_;  // after the tunnel: its programs go before the devices do
  Underlay underlay_;
  Accounts accounts_;
  RuleTables rule_tables_;
  Configuration configuration_;
  CompiledConfiguration published_;
  std::map<std::string, SourceStatus> sources_;
  NearEnds near_ends_;
  bool adopted_ = false;  // published_ is what the kernel holds
};

}  // namespace vxtap

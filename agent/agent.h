#pragma once

// Holds the configuration and keeps the kernel in step with it and with the host: every change goes
// model -> compile -> datapath, and so does every event of the network.

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/compile.h"
#include "agent/datapath.h"
#include "agent/model.h"
#include "agent/network.h"
#include "agent/plan.h"
#include "agent/settings.h"
#include "agent/tunnel.h"

namespace vxtap {

enum class SourceState { active, pending, paused, error };
const char* to_string(SourceState state);

struct SourceStatus {
  SourceState state = SourceState::pending;
  std::string message;  // why it is not active, for people
};

class Agent {
 public:
  // Takes hold of the network namespace: loads the programs and makes the tunnel's devices. Throws
  // Error(internal or conflict) with one sentence that says what is missing, leaving nothing
  // behind.
  explicit Agent(const Settings& settings);

  // All or nothing. Throws what validate() and make_plan() do, and SourceIsDestination.
  Plan apply(const Document& document, bool dry_run, bool prune);

  // Each gives warnings for people. Throw NotFound and what apply() throws.
  std::vector<std::string> set_enabled(const std::string& session, bool enabled);
  std::vector<std::string> add_source(const std::string& session, const std::string& interface);
  std::vector<std::string> remove_source(const std::string& session, const std::string& interface);

  // Brings the kernel in step with interfaces, addresses and routes as they are now.
  void on_network_change();

  const Configuration& configuration() const { return configuration_; }
  const Session& session(const std::string& name) const;
  SourceStatus source_status(const std::string& interface) const;
  const std::map<std::string, SourceStatus>& sources() const { return sources_; }
  std::vector<std::string> problems() const;

  // What was counted since the session came to be; see SPEC §3.
  mirror_counters counters(const std::string& session, const std::string& interface,
                           Direction direction) const;
  mirror_source_counters source_counters(const std::string& interface) const;
  mirror_rule_counters rule_counters(const std::string& session, Direction direction,
                                     uint32_t priority) const;
  // Interfaces that are a source of the session, or were and have been counted.
  std::set<std::string> counted_sources(const std::string& session) const;

  const Settings& settings() const { return settings_; }
  AttachMode attach_mode() const { return datapath_.attach_mode(); }
  std::chrono::seconds uptime() const;

 private:
  void commit(Configuration configuration);
  void reconcile();
  void refresh_sources(const std::vector<Link>& links);
  Surroundings surroundings(const std::vector<Link>& links);
  void update_hooks(const std::vector<Link>& links, const CompiledConfiguration& compiled);
  void refuse_conflicts(const Configuration& configuration);
  std::vector<std::string> source_warnings(const std::vector<std::string>& interfaces) const;

  Settings settings_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  NamespaceLock lock_;
  Network network_;
  TunnelOwner tunnel_;
  Datapath datapath_;  // after the tunnel: its programs go before the devices do
  mutable Ids ids_;
  Configuration configuration_;
  CompiledConfiguration published_;
  std::map<std::string, SourceStatus> sources_;
  std::map<std::string, std::set<std::string>> counted_;
};

}  // namespace vxtap

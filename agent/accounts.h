#pragma once

// What is counted, and for whom: keeps the kernel's counters, the numbers under which they stand,
// and the names of these numbers in step with the configuration, over restarts too.

#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "agent/kernel/counters.h"
#include "agent/kernel/pins.h"
#include "agent/model/compile.h"
#include "agent/model/objects.h"
#include "agent/store.h"

namespace vxtap {

class Accounts {
 public:
  // Goes on with what a predecessor has left at work or, if there is no such, with what `store` has
  // kept. `counters` must outlive this.
  Accounts(const Pins& pins, const Store& store, Counters& counters);

  Ids& ids() { return ids_; }
  // To be called when the configuration was compiled, before a packet is counted by it: a number
  // whose name is not kept means nothing to a successor.
  void keep_names() { names_.write(ids_.take_fresh()); }
  // A source that is named has counters from the moment when it becomes one, whether it is there or
  // not; what patterns match, once it is mirrored.
  void open(const Configuration& configuration);
  // A session or a rule that is gone takes its counters with it: one of the same name or priority
  // that comes later counts from zero.
  void close_gone(const Configuration& before, const Configuration& now);
  // The same at the start: the state may have changed since a predecessor ended.
  void close_unknown(const Configuration& configuration);
  // Names that never come again would fill the kernel's maps in time: so where a session has
  // counted many interfaces that are gone, these share one line from then on.
  using InterfacesOf = std::function<std::set<std::string>(const Session&)>;
  void fold_gone(const Configuration& configuration, const InterfacesOf& present);
  // For Store::keep_counters().
  std::string kept_text() const;

  // What was counted since the session came to be; see SPEC §3.
  mirror_counters of(const std::string& session, const std::string& interface,
                     Direction direction) const;
  mirror_source_counters of_source(const std::string& interface) const;
  // Of the rules that have matched a packet, by session_id() and mirror_rule_id().
  RuleCounters of_rules() const { return counters_.of_rules(); }
  uint32_t session_id(const Session& session) const {
    return ids_.session(session.name, session.filter);
  }
  // Interfaces that are a source of the session, or were and have been counted.
  std::set<std::string> counted_sources(const std::string& session) const {
    return ids_.counted_sources(session);
  }

 private:
  Ids::Names known_names(const Store& store);
  void forget_unknown(const Configuration& configuration);

  Counters& counters_;
  NumberNames names_;
  mutable Ids ids_;
};

}  // namespace vxtap

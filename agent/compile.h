#pragma once

// From the model to what the kernel's maps hold. Pure: the same input gives the same output.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/model.h"
#include "bpf/mirror_abi.h"

namespace vxtap {

// Numbers for names: a name keeps its number for as long as it is known, and no number is ever used
// again, so that counters and copies under way keep their meaning over reconfigurations.
class Ids {
 public:
  uint32_t session(const std::string& name) { return number(sessions_, name); }
  uint32_t source(const std::string& interface) { return number(sources_, interface); }
  uint32_t destination(const Address& address) { return number(destinations_, address); }
  uint32_t counter(const std::string& session, const std::string& interface) {
    return number(counters_, std::pair{session, interface});
  }
  // Forgets the session: one of the same name that comes later counts from zero.
  void forget_session(const std::string& name);

 private:
  template <class Key>
  uint32_t number(std::map<Key, uint32_t>& known, const Key& key) {
    auto [entry, fresh] = known.try_emplace(key, next_);
    if (fresh) ++next_;
    return entry->second;
  }

  uint32_t next_ = 1;
  std::map<std::string, uint32_t> sessions_, sources_;
  std::map<Address, uint32_t> destinations_;
  std::map<std::pair<std::string, std::string>, uint32_t> counters_;
};

// What compile() must know of the host.
struct Surroundings {
  std::map<std::string, uint32_t> interfaces;  // usable sources: name -> ifindex
  std::map<Address, uint32_t> path_mtu;  // destinations with a route: bytes of an outer IP packet
};

using RuleTable = std::vector<mirror_rule>;

struct CompiledSlot {
  mirror_slot slot;
  mirror_attachment attachment;  // rule_table[] are indexes into CompiledConfiguration::rule_tables
};

struct CompiledConfiguration {
  std::vector<CompiledSlot> slots;
  std::vector<RuleTable> rule_tables;  // one per direction of a filter in use, in order of its name
  std::map<uint32_t, mirror_destination> destinations;  // of all sessions, enabled or not, by id
  std::vector<uint32_t> hooked;                         // ifindexes that need programs, ascending
};

mirror_rule compile_rule(const Rule& rule, Direction direction);

CompiledConfiguration compile(const Configuration& configuration, const Surroundings& surroundings,
                              Ids& ids);

}  // namespace vxtap

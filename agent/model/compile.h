#pragma once

// From the model to what the kernel's maps hold. Pure: the same input gives the same output.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/model/objects.h"
#include "bpf/mirror_abi.h"

namespace vxtap {

// Numbers for names: a name keeps its number for as long as it is known, and no number is ever used
// again, so that counters and copies under way keep their meaning over reconfigurations.
class Ids {
 public:
  // A session with another filter is another one: its rules' counters start anew.
  uint32_t session(const std::string& name, const std::string& filter) {
    return number(sessions_, std::pair{name, filter});
  }
  uint32_t source(const std::string& interface) { return number(sources_, interface); }
  uint32_t destination(const Address& address) { return number(destinations_, address); }
  uint32_t counter(const std::string& session, const std::string& interface) {
    return number(counters_, std::pair{session, interface});
  }
  // Forgets what is not part of the configuration any more, so that a session of the same name that
  // comes later counts from zero. Gives the forgotten numbers.
  std::set<uint32_t> keep_only(const Configuration& configuration);

 private:
  template <class Key>
  uint32_t number(std::map<Key, uint32_t>& known, const Key& key) {
    auto [entry, fresh] = known.try_emplace(key, next_);
    if (fresh) ++next_;
    return entry->second;
  }

  uint32_t next_ = 1;
  std::map<std::string, uint32_t> sources_;
  std::map<Address, uint32_t> destinations_;
  std::map<std::pair<std::string, std::string>, uint32_t> sessions_, counters_;
};

// What compile() must know of the host.
struct Surroundings {
  struct Interface {
    uint32_t ifindex = 0;
    bool ethernet = true;  // whether its packets have Ethernet headers
  };
  struct Path {
    uint32_t mtu = 0;            // bytes of an outer IP packet
    bool local = false;          // the destination is an address of this host
    bool no_neighbours = false;  // the underlay has no link-layer addresses to be resolved
    bool link_down = false;      // the underlay has no carrier
  };
  std::map<std::string, Interface> interfaces;  // usable sources
  std::map<Address, Path> paths;                // destinations with a route
  std::set<Address> host_addresses;
};

using RuleTable = std::vector<mirror_rule>;
using SharedRuleTable = std::shared_ptr<const RuleTable>;  // the same pointer, the same rules

// The rule tables of filters, each compiled once for as long as the filter stays what it is.
class RuleTables {
 public:
  const SharedRuleTable& of(const SharedFilter& filter, Direction direction);
  // Forgets the filters that are not part of the configuration any more.
  void keep_only(const Configuration& configuration);

 private:
  std::map<SharedFilter, std::array<SharedRuleTable, 2>> tables_;
};

struct CompiledSlot {
  mirror_slot slot;
  mirror_attachment attachment;  // rule_table[] are indexes into CompiledConfiguration::rule_tables
};

struct CompiledConfiguration {
  std::vector<CompiledSlot> slots;
  std::vector<SharedRuleTable> rule_tables;             // one per direction of a filter in use
  std::map<uint32_t, mirror_destination> destinations;  // of all sessions, enabled or not, by id
  // What copies may go to, this mirror's and others'.
  std::map<Address, mirror_collector> collectors;
  std::vector<uint32_t> hooked;  // ifindexes that need programs, ascending
};

mirror_address compile_address(const Address& address);
mirror_rule compile_rule(const Rule& rule, Direction direction);

CompiledConfiguration compile(const Configuration& configuration, const Surroundings& surroundings,
                              Ids& ids, RuleTables& tables);

}  // namespace vxtap

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
#include "agent/model/source.h"
#include "bpf/mirror_abi.h"

namespace vxtap {

// Numbers for names: a name keeps its number for as long as it is known, and no number is ever used
// again, so that counters and copies under way keep their meaning over reconfigurations.
class Ids {
 public:
  enum class Kind : uint32_t { session = 1, source = 2, destination = 3, counter = 4 };
  struct Name {
    Kind kind = Kind::session;
    std::string first, second;  // the second one of sessions and counters
    auto operator<=>(const Name&) const = default;
  };
  using Names = std::map<uint32_t, Name>;

  Ids() = default;
  // Goes on where a predecessor has ended.
  explicit Ids(const Names& known);

  // A session with another filter is another one: its rules' counters start anew.
  uint32_t session(const std::string& name, const std::string& filter) {
    return number({Kind::session, name, filter});
  }
  uint32_t source(const std::string& interface) { return number({Kind::source, interface, ""}); }
  uint32_t destination(const Address& address);
  uint32_t counter(const std::string& session, const std::string& interface) {
    return number({Kind::counter, session, interface});
  }
  bool knows(uint32_t number) const { return known_.contains(number); }
  // The interfaces with which the session has been counted.
  std::set<std::string> counted_sources(const std::string& session) const;

  // The numbers that were given since the last call.
  Names take_fresh() { return std::exchange(fresh_, {}); }
  // Forgets what is not part of the configuration any more, so that a session of the same name that
  // comes later counts from zero. Gives the forgotten numbers.
  std::set<uint32_t> keep_only(const Configuration& configuration);
  // Forgets with which interface the session has been counted; gives the number that stood for it.
  uint32_t forget_counter(const std::string& session, const std::string& interface);

 private:
  uint32_t number(const Name& name);

  uint32_t next_ = 1;
  std::map<Name, uint32_t> numbers_;
  std::set<uint32_t> known_;  // the numbers of these
  Names fresh_;
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
    bool encapsulate = false;    // the programs may write the outer headers
  };
  std::map<std::string, Interface> interfaces;  // usable sources
  NearEnds near_ends;                           // of sources in other network namespaces
  std::map<Address, Path> paths;                // destinations with a route
  std::set<Address> host_addresses;
};

struct RuleTable {
  std::vector<mirror_rule> rules;  // in ascending order of priority
  std::vector<mirror_node> trees;  // over them: see decision_tree.h
};
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

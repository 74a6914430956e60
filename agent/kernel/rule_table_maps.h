#pragma once

// Rule tables in the kernel: each is a map of its own, in the array of maps `rule_tables`.

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "agent/model/compile.h"

namespace vxtap {

class RuleTableMaps {
 public:
  RuleTableMaps() = default;
  // Descriptors of the maps in bpf/maps.h; `capacity`: how many tables the first one takes. Tables
  // that a predecessor has put there stay until the first keep_only().
  RuleTableMaps(int rule_tables, uint32_t capacity, int taken_tables);

  // Puts the tables there that are not there yet; gives the number of each. Throws Error(internal).
  std::vector<uint32_t> put(const std::vector<SharedRuleTable>& tables);
  // Drops the others, which no packet may need any more.
  void keep_only(const std::vector<uint32_t>& numbers);
  // Returns once every program has ended that was running when it began. Throws Error(internal).
  void wait_for_packets() const;

 private:
  int rule_tables_ = -1;
  uint32_t capacity_ = 0;
  int taken_tables_ = -1;
  std::map<SharedRuleTable, uint32_t> numbers_;
  std::set<uint32_t> adopted_;  // in use until the first keep_only()
};

}  // namespace vxtap

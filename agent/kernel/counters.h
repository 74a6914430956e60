#pragma once

// The kernel's counters, per CPU, and the names of their numbers.
//
// A daemon whose programs are of another layout than its predecessor's cannot go on with the same
// maps: it carries the counts over into entries of its own maps that no program writes. The first
// word of every key, a number that Ids gave, has the bit MIRROR_CARRIED there. So structs of
// counters must only ever grow at their end.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/kernel/fd.h"
#include "agent/model/compile.h"
#include "bpf/mirror_abi.h"

namespace vxtap {

using RuleCounters = std::map<std::pair<uint32_t, uint32_t>, mirror_rule_counters>;

// Descriptors of the maps in bpf/maps.h.
struct CounterMaps {
  int mirror = -1, rules = -1, sources = -1;
};

// What was counted, over all CPUs and daemons: the bytes of a key, with MIRROR_CARRIED, and the
// values.
using Totals = std::map<std::string, std::vector<uint64_t>>;
struct CounterTotals {
  Totals mirror, rules, sources;
};

class Counters {
 public:
  Counters() = default;
  // Those that are in the maps already go on.
  explicit Counters(const CounterMaps& maps) : maps_(maps) {}

  // Makes the entries that a packet needs to find, or leaves those that are there.
  void make(uint32_t counter_id, uint32_t source_id);

  // Sums over the CPUs; zeros where nothing was counted yet.
  mirror_counters of(uint32_t counter_id, Direction direction) const;
  mirror_source_counters of_source(uint32_t source_id) const;
  // Of the rules that have matched a packet, by (session_id, rule_id).
  RuleCounters of_rules() const;

  // Adds what was counted under a number to what was carried over to another one, under which no
  // program counts, and takes it away from the first one.
  void fold(uint32_t from, uint32_t to);
  // Takes away the counters of which these say that nobody will ask for them again.
  void forget(const std::function<bool(uint32_t number)>& forgotten,
              const std::function<bool(mirror_rule_counter_key)>& rule_forgotten);

  CounterTotals totals() const;
  // Takes these for what others have counted before. Nothing may have been carried over yet.
  void restore(const CounterTotals& totals) const;
  // Adds what stands in the maps pinned in a predecessor's directory. To be called once its
  // programs have ended; may be called again after a crash.
  void carry_over(const std::filesystem::path& maps) const;

 private:
  CounterMaps maps_;
  std::set<uint32_t> made_;  // counter_ids that are known to have their entries
};

// What the numbers stand for, kept in a map beside the counters, so that neither is without the
// other.
class NumberNames {
 public:
  NumberNames() = default;  // keeps nothing
  // Opens what is pinned there, or makes it.
  explicit NumberNames(const std::filesystem::path& pin);

  Ids::Names read() const;
  void write(const Ids::Names& names) const;
  void forget(const std::set<uint32_t>& numbers) const;

 private:
  Fd map_;
};

}  // namespace vxtap

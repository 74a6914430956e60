#pragma once

// Rules as boxes in the space of what packets' headers hold: which of them decide in a part of it.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "bpf/mirror_abi.h"

namespace vxtap {

// Numbers in host byte order, both ends are part of it.
struct Interval {
  uint32_t first = 0, last = UINT32_MAX;
};
// What packets may hold in each header word (enum mirror_header_word).
using Box = std::array<Interval, MIRROR_HEADER_WORDS>;

class RuleSpace {
 public:
  // In ascending order of priority; all that follows names them by index.
  explicit RuleSpace(const std::vector<mirror_rule>& rules);

  // What any packet may hold.
  static Box whole();

  // What the packets that the rule matches may hold.
  const Interval& interval(uint32_t rule, uint8_t word) const { return boxes_[rule].at(word); }
  // What of that lies in the region; from above to below if nothing does.
  Interval clip(uint32_t rule, uint8_t word, const Box& region) const {
    const auto& [first, last] = interval(rule, word);
    return {std::max(first, region.at(word).first), std::min(last, region.at(word).last)};
  }
  // A rule with ports says nothing of a packet without.
  bool has_ports(uint32_t rule) const { return with_ports_[rule]; }
  // Whether the word, of an address, tells the rule's packets from most others.
  bool is_narrow(uint32_t rule, uint8_t word) const;
  // Whether the rule matches all that lies in the hull, but for what this word says.
  bool asks_only(uint8_t word, uint32_t rule, const Box& hull) const;

  // Takes out rules that never decide in the region, because one before them does. Not all are
  // found: each is only held against the widest ones before it.
  void drop_hidden(std::vector<uint32_t>& rules, const Box& region) const;

 private:
  bool hides(uint32_t first_rule, uint32_t second_rule, const Box& region) const;
  uint32_t extent(uint32_t rule, const Box& region) const;

  std::vector<Box> boxes_;
  std::vector<bool> with_ports_;
};

}  // namespace vxtap

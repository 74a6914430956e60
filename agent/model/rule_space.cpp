#include "agent/model/rule_space.h"

#include <arpa/inet.h>

#include <bit>
#include <cstddef>
#include <utility>

namespace vxtap {
namespace {

constexpr size_t kHiders = 8;   // earlier rules that each is held against
constexpr uint8_t kNarrow = 8;  // bits of a prefix that tells packets apart

Interval network(__be32 address, __be32 mask) {
  return {ntohl(address), ntohl(address) | ~ntohl(mask)};
}

Box box_of(const mirror_rule& rule) {
  Box box;
  if (rule.family != MIRROR_FAMILY_ANY) {
    for (size_t i = 0; i < 4; ++i) {
      box.at(MIRROR_WORD_SOURCE + i) = network(rule.source[i], rule.source_mask[i]);
      box.at(MIRROR_WORD_DESTINATION + i) = network(rule.destination[i], rule.destination_mask[i]);
    }
    box[MIRROR_WORD_FAMILY] = {rule.family, rule.family};
  }
  if (rule.match_ports != 0) {
    box[MIRROR_WORD_SOURCE_PORT] = {rule.source_port_first, rule.source_port_last};
    box[MIRROR_WORD_DESTINATION_PORT] = {rule.destination_port_first, rule.destination_port_last};
  }
  if (rule.match_protocol != 0) box[MIRROR_WORD_PROTOCOL] = {rule.protocol, rule.protocol};
  return box;
}

}  // namespace

RuleSpace::RuleSpace(const std::vector<mirror_rule>& rules) {
  boxes_.reserve(rules.size());
  with_ports_.reserve(rules.size());
  for (const auto& rule : rules) {
    boxes_.push_back(box_of(rule));
    with_ports_.push_back(rule.match_ports != 0);
  }
}

Box RuleSpace::whole() {
  Box box;
  box[MIRROR_WORD_SOURCE_PORT].last = UINT16_MAX;
  box[MIRROR_WORD_DESTINATION_PORT].last = UINT16_MAX;
  box[MIRROR_WORD_PROTOCOL].last = UINT8_MAX;
  box[MIRROR_WORD_FAMILY].last = 7;
  return box;
}

bool RuleSpace::is_narrow(uint32_t rule, uint8_t word) const {
  const auto& [first, last] = interval(rule, word);
  return last - first < uint32_t{1} << (32 - kNarrow);
}

bool RuleSpace::asks_only(uint8_t word, uint32_t rule, const Box& hull) const {
  for (uint8_t other = 0; other < MIRROR_HEADER_WORDS; ++other) {
    const auto& [first, last] = hull.at(other);
    if (other != word &&
        (interval(rule, other).first > first || interval(rule, other).last < last)) {
      return false;
    }
  }
  return true;
}

void RuleSpace::drop_hidden(std::vector<uint32_t>& rules, const Box& region) const {
  std::vector<std::pair<uint32_t, uint32_t>> hiders;  // extent, rule
  std::erase_if(rules, [&](uint32_t rule) {
    if (std::any_of(hiders.begin(), hiders.end(),
                    [&](const auto& hider) { return hides(hider.second, rule, region); })) {
      return true;
    }
    hiders.emplace_back(extent(rule, region), rule);
    if (hiders.size() > kHiders) hiders.erase(std::min_element(hiders.begin(), hiders.end()));
    return false;
  });
}

// Whether the first rule matches every packet of the region that the second one matches.
bool RuleSpace::hides(uint32_t first_rule, uint32_t second_rule, const Box& region) const {
  if (has_ports(first_rule) && !has_ports(second_rule)) return false;
  for (uint8_t word = 0; word < MIRROR_HEADER_WORDS; ++word) {
    const auto& whole = interval(first_rule, word);
    const auto [first, last] = clip(second_rule, word, region);
    if (first < whole.first || last > whole.last) return false;
  }
  return true;
}

// How much of the region a rule takes, in bits.
uint32_t RuleSpace::extent(uint32_t rule, const Box& region) const {
  uint32_t bits = 0;
  for (uint8_t word = 0; word < MIRROR_HEADER_WORDS; ++word) {
    const auto [first, last] = clip(rule, word, region);
    bits += static_cast<uint32_t>(std::bit_width(last - first));
  }
  return bits;
}

}  // namespace vxtap

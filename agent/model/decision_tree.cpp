#include "agent/model/decision_tree.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <numeric>
#include <optional>
#include <utility>

namespace vxtap {
namespace {

constexpr size_t kLeaf = 1;                            // rules that are not worth a cut
constexpr size_t kNodesPerRule = 8;                    // at most, so that memory stays bounded
constexpr size_t kHiders = 8;                          // earlier rules that each is held against
constexpr size_t kDeepest = 20;                        // cuts
constexpr double kWorthACut = 0.8;                     // of the rules, at most, are left after it
constexpr uint8_t kNarrow = 8;                         // bits of a prefix that tells packets apart
constexpr std::array<uint8_t, 4> kWidths{2, 4, 6, 8};  // bits that a cut looks at

struct Interval {
  uint32_t first = 0, last = UINT32_MAX;
};
// What the packets that a rule matches, or that come to a node, may hold in each header word.
using Box = std::array<Interval, MIRROR_HEADER_WORDS>;

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

// What any packet may hold.
Box whole_box() {
  Box box;
  box[MIRROR_WORD_SOURCE_PORT].last = UINT16_MAX;
  box[MIRROR_WORD_DESTINATION_PORT].last = UINT16_MAX;
  box[MIRROR_WORD_PROTOCOL].last = UINT8_MAX;
  box[MIRROR_WORD_FAMILY].last = 7;
  return box;
}

struct Cut {
  uint8_t word, shift, bits;
  size_t children() const { return size_t{1} << bits; }
};

class TreeBuilder {
 public:
  TreeBuilder(const std::vector<mirror_rule>& rules, const std::vector<Box>& boxes,
              std::vector<mirror_node>& nodes)
      : rules_(rules), boxes_(boxes), nodes_(nodes) {}

  // `budget`: how many nodes it may add; never less than there are rules.
  void build(size_t node, std::vector<uint32_t> rules, const Box& region, size_t budget,
             size_t depth = 0) {
    drop_hidden(rules, region);
    const auto cut =
        rules.size() <= kLeaf || depth == kDeepest ? std::nullopt : best_cut(rules, region, budget);
    if (!cut) return make_leaf(node, rules);
    std::vector<std::vector<uint32_t>> shares(cut->children());
    size_t total = 0;
    for (const uint32_t rule : rules) {
      const auto [first, last] = children_of(rule, *cut, region);
      for (uint32_t child = first; child <= last; ++child) shares[child].push_back(rule);
      total += last - first + 1;
    }
    const size_t first = nodes_.size();
    nodes_[node] = {static_cast<uint32_t>(first), MIRROR_NODE_CUT, cut->word, cut->shift,
                    cut->bits};
    nodes_.resize(first + shares.size());
    for (size_t child = 0; child < shares.size(); ++child) {
      auto& share = shares[child];
      const size_t part = (budget - shares.size()) * share.size() / std::max<size_t>(total, 1);
      build(first + child, std::move(share), child_region(region, *cut, child), part, depth + 1);
    }
  }

 private:
  void make_leaf(size_t node, const std::vector<uint32_t>& rules) {
    if (rules.empty()) {
      nodes_[node] = {0, MIRROR_NODE_NONE, 0, 0, 0};
    } else if (rules.size() == 1) {
      nodes_[node] = {rules[0], MIRROR_NODE_LAST_RULE, 0, 0, 0};
    } else {
      nodes_[node] = {static_cast<uint32_t>(nodes_.size()), MIRROR_NODE_JUMP, 0, 0, 0};
      for (const uint32_t rule : rules) nodes_.push_back({rule, MIRROR_NODE_RULE, 0, 0, 0});
      nodes_.back().kind = MIRROR_NODE_LAST_RULE;
    }
  }

  Interval clip(uint32_t rule, uint8_t word, const Box& region) const {
    const auto& interval = boxes_[rule].at(word);
    return {std::max(interval.first, region.at(word).first),
            std::min(interval.last, region.at(word).last)};
  }

  // Whether the first rule matches every packet of the region that the second one matches. A rule
  // with ports says nothing of a packet without.
  bool hides(uint32_t first_rule, uint32_t second_rule, const Box& region) const {
    if (rules_[first_rule].match_ports != 0 && rules_[second_rule].match_ports == 0) return false;
    for (uint8_t word = 0; word < MIRROR_HEADER_WORDS; ++word) {
      const auto& whole = boxes_[first_rule].at(word);
      const auto [first, last] = clip(second_rule, word, region);
      if (first < whole.first || last > whole.last) return false;
    }
    return true;
  }

  // How much of the region a rule takes, in bits.
  uint32_t extent(uint32_t rule, const Box& region) const {
    uint32_t bits = 0;
    for (uint8_t word = 0; word < MIRROR_HEADER_WORDS; ++word) {
      const auto [first, last] = clip(rule, word, region);
      bits += static_cast<uint32_t>(std::bit_width(last - first));
    }
    return bits;
  }

  // Takes out rules that never decide here, because one before them does. Not all are found: each
  // is only held against the widest ones before it.
  void drop_hidden(std::vector<uint32_t>& rules, const Box& region) const {
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

  // The children, first to last, that a packet may go to which the rule matches. None is left out;
  // there may be some too many where bits above the cut differ.
  std::pair<uint32_t, uint32_t> children_of(uint32_t rule, const Cut& cut,
                                            const Box& region) const {
    const auto [first, last] = clip(rule, cut.word, region);
    const auto mask = static_cast<uint32_t>(cut.children() - 1);
    const uint64_t above = cut.shift + cut.bits;
    if (first > last || uint64_t{first} >> above != uint64_t{last} >> above) return {0, mask};
    return {first >> cut.shift & mask, last >> cut.shift & mask};
  }

  // Below a cut that skipped bits, nothing more is known of the word.
  static Box child_region(const Box& region, const Cut& cut, size_t child) {
    Box result = region;
    auto& [first, last] = result.at(cut.word);
    if ((uint64_t{first} ^ last) + 1 != uint64_t{1} << (cut.shift + cut.bits)) return result;
    first += static_cast<uint32_t>(child << cut.shift);
    last = first + static_cast<uint32_t>((uint64_t{1} << cut.shift) - 1);
    return result;
  }

  // How many bits from the lowest up tell the rules apart.
  int height(const std::vector<uint32_t>& rules, uint8_t word, const Box& region) const {
    uint32_t differing = 0;
    std::optional<uint32_t> one;
    for (const uint32_t rule : rules) {
      const auto [first, last] = clip(rule, word, region);
      if (first == region.at(word).first && last == region.at(word).last) continue;
      if (!one) one = first;
      differing |= (first ^ *one) | (last ^ *one);
    }
    // Rules that all say the same are still told from the packets that none of them is for.
    if (one && differing == 0) differing = (*one & -*one) == 0 ? 1 : *one & -*one;
    return static_cast<int>(std::bit_width(differing));
  }

  std::optional<Cut> best_cut(const std::vector<uint32_t>& rules, const Box& region,
                              size_t budget) const {
    std::optional<Cut> best;
    double least = kWorthACut * static_cast<double>(rules.size());
    for (uint8_t word = 0; word < MIRROR_HEADER_WORDS; ++word) {
      const int top = height(rules, word, region);
      for (const uint8_t width : kWidths) {
        const auto bits = static_cast<uint8_t>(std::min<int>(width, top));
        if (bits == 0) break;
        const Cut cut{word, static_cast<uint8_t>(top - bits), bits};
        const auto left = rules_left(rules, cut, region, budget);
        if (left && *left < least) {
          best = cut;
          least = *left;
        }
        if (bits == top) break;
      }
    }
    return best;
  }

  // How many rules are left for a packet that one of them is for, on average; nothing if the cut
  // needs more nodes than there may be.
  std::optional<double> rules_left(const std::vector<uint32_t>& rules, const Cut& cut,
                                   const Box& region, size_t budget) const {
    if (cut.children() + rules.size() > budget) return std::nullopt;
    std::vector<int64_t> changes(cut.children() + 1);
    for (const uint32_t rule : rules) {
      const auto [first, last] = children_of(rule, cut, region);
      ++changes[first];
      --changes[last + 1];
    }
    double total = 0;
    double squares = 0;
    int64_t share = 0;
    for (size_t child = 0; child < cut.children(); ++child) {
      share += changes[child];
      total += static_cast<double>(share);
      squares += static_cast<double>(share) * static_cast<double>(share);
    }
    if (total + static_cast<double>(cut.children()) > static_cast<double>(budget))
      return std::nullopt;
    return squares / total;
  }

  const std::vector<mirror_rule>& rules_;
  const std::vector<Box>& boxes_;
  std::vector<mirror_node>& nodes_;
};

// Of the last tree, so that no step is spent on finding out that it is.
void end_search(mirror_node& node) {
  if (node.kind == MIRROR_NODE_NONE) node.kind = MIRROR_NODE_END;
  if (node.kind == MIRROR_NODE_LAST_RULE) node.kind = MIRROR_NODE_FINAL_RULE;
}

bool narrow(const Interval& interval) {
  return interval.last - interval.first < uint32_t{1} << (32 - kNarrow);
}

}  // namespace

std::vector<mirror_node> build_trees(const std::vector<mirror_rule>& rules) {
  std::vector<Box> boxes;
  boxes.reserve(rules.size());
  for (const auto& rule : rules) boxes.push_back(box_of(rule));
  // Rules that a cut tells apart, and rules that would be in each of its children, go into
  // different trees: EffiCuts (SIGCOMM 2010), separable trees.
  std::array<std::vector<uint32_t>, 4> groups;
  for (uint32_t rule = 0; rule < rules.size(); ++rule) {
    const size_t group = (narrow(boxes[rule][MIRROR_WORD_SOURCE]) ? 1 : 0) +
                         (narrow(boxes[rule][MIRROR_WORD_DESTINATION]) ? 2 : 0);
    groups.at(group).push_back(rule);
  }
  std::vector<mirror_node> nodes;
  const auto used =
      std::count_if(groups.begin(), groups.end(), [](const auto& group) { return !group.empty(); });
  nodes.resize(static_cast<size_t>(used) + 1);
  nodes.back().kind = MIRROR_NODE_END;
  TreeBuilder builder(rules, boxes, nodes);
  size_t root = 0;
  size_t last_tree = nodes.size();
  for (const auto& group : groups) {
    if (group.empty()) continue;
    last_tree = nodes.size();
    builder.build(root++, group, whole_box(), kNodesPerRule * group.size());
  }
  if (root > 0) end_search(nodes[root - 1]);
  std::for_each(nodes.begin() + static_cast<ptrdiff_t>(last_tree), nodes.end(), end_search);
  return nodes;
}

}  // namespace vxtap

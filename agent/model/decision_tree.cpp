#include "agent/model/decision_tree.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <numeric>
#include <optional>
#include <utility>

#include "agent/model/rule_space.h"

namespace vxtap {
namespace {

constexpr size_t kLeaf = 1;                            // rules that are not worth a cut
constexpr size_t kNodesPerRule = 8;                    // at most, so that memory stays bounded
constexpr size_t kDeepest = 20;                        // cuts
constexpr double kWorthACut = 0.8;                     // of the rules, at most, are left after it
constexpr std::array<uint8_t, 4> kWidths{2, 4, 6, 8};  // bits that a cut looks at

// Rules, in ascending order of priority, of which the packets of a region are to find the first
// that matches.
struct Choice {
  std::vector<uint32_t> rules;
  Box region;
  Box hull;                    // what the rules say of the words, all together
  bool all_with_ports = true;  // a rule with ports says nothing of a packet without
};

struct Cut {
  uint8_t word, shift, bits;
  size_t children() const { return size_t{1} << bits; }
};

class TreeBuilder {
 public:
  TreeBuilder(const RuleSpace& space, std::vector<mirror_node>& nodes)
      : space_(space), nodes_(nodes) {}

  // `budget`: how many nodes it may add; never less than there are rules.
  void build(size_t node, std::vector<uint32_t> rules, size_t budget) {
    build(node, choose(std::move(rules), RuleSpace::whole()), budget, 0);
  }

 private:
  void build(size_t node, const Choice& choice, size_t budget, size_t depth) {
    const auto& rules = choice.rules;
    const auto cut =
        rules.size() <= kLeaf || depth == kDeepest ? std::nullopt : best_cut(choice, budget);
    if (!cut) return make_leaf(node, rules);
    const auto choices = children(choice, *cut);
    const size_t total =
        std::accumulate(choices.begin(), choices.end(), size_t{0},
                        [](size_t sum, const auto& child) { return sum + child.rules.size(); });
    const size_t first = nodes_.size();
    nodes_[node] = {static_cast<uint32_t>(first), MIRROR_NODE_CUT, cut->word, cut->shift,
                    cut->bits};
    nodes_.resize(first + choices.size());
    for (size_t child = 0; child < choices.size(); ++child) {
      const size_t part = (budget - choices.size()) * choices[child].rules.size() / total;
      build(first + child, choices[child], part, depth + 1);
    }
  }

  Choice choose(std::vector<uint32_t> rules, const Box& region) const {
    space_.drop_hidden(rules, region);
    Choice made{std::move(rules), region, {}, true};
    made.hull.fill({UINT32_MAX, 0});
    for (const uint32_t rule : made.rules) {
      made.all_with_ports &= space_.has_ports(rule);
      for (uint8_t word = 0; word < MIRROR_HEADER_WORDS; ++word) {
        const auto [first, last] = space_.clip(rule, word, region);
        made.hull.at(word).first = std::min(made.hull.at(word).first, first);
        made.hull.at(word).last = std::max(made.hull.at(word).last, last);
      }
    }
    return made;
  }

  std::vector<Choice> children(const Choice& parent, const Cut& cut) const {
    std::vector<std::vector<uint32_t>> shares(cut.children());
    deal_out(parent, cut, [&](uint32_t child, uint32_t rule) {
      shares[child].push_back(rule);
      return true;
    });
    std::vector<Choice> made;
    made.reserve(shares.size());
    for (size_t child = 0; child < shares.size(); ++child) {
      made.push_back(choose(std::move(shares[child]), child_region(parent.region, cut, child)));
    }
    return made;
  }

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

  // The children, first to last, that a packet may go to which the rule matches. None is left out;
  // there may be some too many where bits above the cut differ.
  std::pair<uint32_t, uint32_t> children_of(uint32_t rule, const Cut& cut,
                                            const Box& region) const {
    const auto [first, last] = space_.clip(rule, cut.word, region);
    const auto mask = static_cast<uint32_t>(cut.children() - 1);
    const uint64_t above = cut.shift + cut.bits;
    if (first > last || uint64_t{first} >> above != uint64_t{last} >> above) return {0, mask};
    return {first >> cut.shift & mask, last >> cut.shift & mask};
  }

  // Whether the cut skips no bits, so that each child has its own part of the word.
  static bool is_exact(const Box& region, const Cut& cut) {
    const auto [first, last] = region.at(cut.word);
    return (uint64_t{first} ^ last) + 1 == uint64_t{1} << (cut.shift + cut.bits);
  }

  // Below a cut that skipped bits, nothing more is known of the word.
  static Box child_region(const Box& region, const Cut& cut, size_t child) {
    Box result = region;
    if (!is_exact(region, cut)) return result;
    auto& [first, last] = result.at(cut.word);
    first += static_cast<uint32_t>(child << cut.shift);
    last = first + static_cast<uint32_t>((uint64_t{1} << cut.shift) - 1);
    return result;
  }

  // What the bits above the cut say in all rules that say anything of them: where the part of the
  // word begins that the children share out among them.
  uint32_t part_of(const Choice& choice, const Cut& cut) const {
    const uint64_t size = uint64_t{cut.children()} << cut.shift;
    for (const uint32_t rule : choice.rules) {
      const auto [first, last] = space_.clip(rule, cut.word, choice.region);
      if (first <= last && last - first < size) return static_cast<uint32_t>(first / size * size);
    }
    return choice.region.at(cut.word).first;
  }

  // The children, from the first up to the one behind the last, of which the rule matches all that
  // comes from that part of the word.
  std::pair<uint32_t, uint32_t> children_within(uint32_t rule, const Cut& cut,
                                                uint64_t part) const {
    const auto& [first, last] = space_.interval(rule, cut.word);
    const uint64_t size = uint64_t{1} << cut.shift;
    const uint64_t begin = std::max<uint64_t>(first, part) - part;
    const uint64_t end = std::min<uint64_t>(uint64_t{last} + 1, part + size * cut.children());
    if (end <= part + begin) return {0, 0};
    return {static_cast<uint32_t>((begin + size - 1) / size),
            static_cast<uint32_t>((end - part) / size)};
  }

  // Calls add(child, rule) for each child that the rule may decide in, that is where no rule before
  // it takes all packets that it could match. False if `add` ended it by giving false.
  template <class Add>
  bool deal_out(const Choice& choice, const Cut& cut, const Add& add) const {
    const uint32_t part = part_of(choice, cut);
    const uint64_t behind = part + (uint64_t{cut.children()} << cut.shift);
    // Child -> one behind it, or itself if it is open. Ways are halved as they are gone, so that
    // many closed children cost nothing.
    std::vector<uint32_t> next(cut.children() + 1);
    std::iota(next.begin(), next.end(), 0U);
    const auto open = [&](uint32_t child) {
      while (next[child] != child) child = next[child] = next[next[child]];
      return child;
    };
    for (const uint32_t rule : choice.rules) {
      const auto [lowest, highest] = space_.clip(rule, cut.word, choice.region);
      const bool elsewhere = lowest < part || highest >= behind;  // it matches other packets too
      const auto [first, last] = children_of(rule, cut, choice.region);
      for (uint32_t child = elsewhere ? first : open(first); child <= last;
           child = elsewhere ? child + 1 : open(child + 1)) {
        if (!add(child, rule)) return false;
      }
      if (space_.has_ports(rule) && !choice.all_with_ports) continue;
      if (!space_.asks_only(cut.word, rule, choice.hull)) continue;
      const auto [begin, end] = children_within(rule, cut, part);
      for (uint32_t child = open(begin); child < end; child = open(child + 1)) {
        next[child] = child + 1;
      }
    }
    return true;
  }

  // How many bits from the lowest up tell the rules apart.
  int height(const Choice& choice, uint8_t word) const {
    uint32_t differing = 0;
    std::optional<uint32_t> one;
    for (const uint32_t rule : choice.rules) {
      const auto [first, last] = space_.clip(rule, word, choice.region);
      if (first == choice.region.at(word).first && last == choice.region.at(word).last) continue;
      if (!one) one = first;
      differing |= (first ^ *one) | (last ^ *one);
    }
    // Rules that all say the same are still told from the packets that none of them is for.
    if (one && differing == 0) differing = (*one & -*one) == 0 ? 1 : *one & -*one;
    return static_cast<int>(std::bit_width(differing));
  }

  std::optional<Cut> best_cut(const Choice& choice, size_t budget) const {
    std::optional<Cut> best;
    double least = kWorthACut * static_cast<double>(choice.rules.size());
    for (uint8_t word = 0; word < MIRROR_HEADER_WORDS; ++word) {
      const int top = height(choice, word);
      for (const uint8_t width : kWidths) {
        const auto bits = static_cast<uint8_t>(std::min<int>(width, top));
        if (bits == 0) break;
        const Cut cut{word, static_cast<uint8_t>(top - bits), bits};
        const auto left = rules_left(choice, cut, budget);
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
  std::optional<double> rules_left(const Choice& choice, const Cut& cut, size_t budget) const {
    size_t nodes = cut.children();
    if (nodes > budget) return std::nullopt;
    std::vector<uint32_t> shares(cut.children());
    const bool enough = deal_out(choice, cut, [&](uint32_t child, uint32_t) {
      ++shares[child];
      return ++nodes <= budget;
    });
    if (!enough) return std::nullopt;
    double squares = 0;
    for (const double share : shares) squares += share * share;
    return squares / static_cast<double>(nodes - cut.children());
  }

  const RuleSpace& space_;
  std::vector<mirror_node>& nodes_;
};

// Of the last tree, so that no step is spent on finding out that it is.
void end_search(mirror_node& node) {
  if (node.kind == MIRROR_NODE_NONE) node.kind = MIRROR_NODE_END;
  if (node.kind == MIRROR_NODE_LAST_RULE) node.kind = MIRROR_NODE_FINAL_RULE;
}

}  // namespace

std::vector<mirror_node> build_trees(const std::vector<mirror_rule>& rules) {
  const RuleSpace space(rules);
  // Rules that a cut tells apart, and rules that would be in each of its children, go into
  // different trees: EffiCuts (SIGCOMM 2010), separable trees.
  std::array<std::vector<uint32_t>, 4> groups;
  for (uint32_t rule = 0; rule < rules.size(); ++rule) {
    const size_t group = (space.is_narrow(rule, MIRROR_WORD_SOURCE) ? 1 : 0) +
                         (space.is_narrow(rule, MIRROR_WORD_DESTINATION) ? 2 : 0);
    groups.at(group).push_back(rule);
  }
  std::vector<mirror_node> nodes;
  const auto used =
      std::count_if(groups.begin(), groups.end(), [](const auto& group) { return !group.empty(); });
  nodes.resize(static_cast<size_t>(used) + 1);
  nodes.back().kind = MIRROR_NODE_END;
  TreeBuilder builder(space, nodes);
  size_t root = 0;
  size_t last_tree = nodes.size();
  for (const auto& group : groups) {
    if (group.empty()) continue;
    last_tree = nodes.size();
    builder.build(root++, group, kNodesPerRule * group.size());
  }
  if (root > 0) end_search(nodes[root - 1]);
  std::for_each(nodes.begin() + static_cast<ptrdiff_t>(last_tree), nodes.end(), end_search);
  return nodes;
}

}  // namespace vxtap

#pragma once

// A filter's rules as decision trees: what a packet's header says leads past nearly all rules that
// cannot match it, in a number of steps that hardly grows with their number.

#include <vector>

#include "bpf/mirror_abi.h"

namespace vxtap {

// The nodes of up to four trees, their roots first, then MIRROR_NODE_END. `rules` in ascending
// order of priority; the nodes name them by index. At most about eight nodes per rule: rules that
// overlap too much to be told apart within that share a long leaf.
std::vector<mirror_node> build_trees(const std::vector<mirror_rule>& rules);

}  // namespace vxtap

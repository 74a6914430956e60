#pragma once

// From sources in other network namespaces to interfaces of this one. Programs can't send a packet
// from one namespace to another; but whatever passes one end of a veth cable passes the other end,
// too.

#include <vector>

#include "agent/kernel/network.h"
#include "agent/model/objects.h"
#include "agent/model/source.h"

namespace vxtap {

// Of all sources of the configuration that are in other namespaces. `links`: of this one.
NearEnds find_near_ends(const Configuration& configuration, const std::vector<Link>& links,
                        Network& network);

}  // namespace vxtap

#pragma once

#include <cstdint>
#include <string>

#include "agent/model/objects.h"

namespace vxtap {

// The name of the BPF filter at a place of an interface's clsact qdisc, or nothing. libbpf puts the
// program's name in front of it. To ask for the program itself needs CAP_SYS_ADMIN.
std::string filter_name(uint32_t ifindex, Direction direction, uint32_t priority, uint32_t handle);

}  // namespace vxtap

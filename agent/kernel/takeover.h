#pragma once

// What a daemon must know of the programs and maps that a predecessor has left at work.

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "agent/model/objects.h"
#include "bpf/mirror_abi.h"

struct bpf_object;

namespace vxtap {

// A hash of the maps, their types and the names of the programs: those of one layout work together.
std::string layout_of(bpf_object* object);

std::set<uint32_t> read_taken_tables(int taken_tables);
std::map<uint32_t, mirror_destination> read_destinations(int destinations);
std::map<Address, mirror_collector> read_collectors(int collectors);

}  // namespace vxtap

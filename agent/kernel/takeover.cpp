#include "agent/kernel/takeover.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <algorithm>

#include "agent/hash.h"
#include "agent/kernel/fd.h"
#include "agent/kernel/maps.h"

namespace vxtap {
namespace {

// Names, offsets and sizes of the members of all structs that are part of the layout.
std::string structs_of(const btf* types) {
  std::string text;
  for (uint32_t id = 1; id < btf__type_cnt(types); ++id) {
    const btf_type* type = btf__type_by_id(types, id);
    if (!btf_is_struct(type) || type->name_off == 0) continue;
    text += btf__name_by_offset(types, type->name_off);
    const btf_member* members = btf_members(type);
    for (uint16_t i = 0; i < btf_vlen(type); ++i) {
      text += std::string(" ") + btf__name_by_offset(types, members[i].name_off) + "@" +
              std::to_string(btf_member_bit_offset(type, i)) + ":" +
              std::to_string(btf__resolve_size(types, members[i].type));
    }
    text += '\n';
  }
  return text;
}

}  // namespace

std::string layout_of(bpf_object* object) {
  std::string text = structs_of(bpf_object__btf(object));
  const bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    text += bpf_map__name(map);
    for (const uint32_t part :
         {static_cast<uint32_t>(bpf_map__type(map)), bpf_map__key_size(map),
          bpf_map__value_size(map), bpf_map__max_entries(map), bpf_map__map_flags(map)}) {
      text += " " + std::to_string(part);
    }
    text += '\n';
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    text += bpf_program__name(program) + std::string("\n");
  }
  return hex(fnv1a(text));
}

std::set<uint32_t> read_taken_tables(int map) {
  const auto tables = keys_of<uint32_t>(map);
  return {tables.begin(), tables.end()};
}

std::map<uint32_t, mirror_destination> read_destinations(int map) {
  std::map<uint32_t, mirror_destination> destinations;
  for (const uint32_t id : keys_of<uint32_t>(map)) {
    bpf_map_lookup_elem(map, &id, &destinations[id]);
  }
  return destinations;
}

std::map<Address, mirror_collector> read_collectors(int map) {
  std::map<Address, mirror_collector> collectors;
  for (const auto& key : keys_of<mirror_address>(map)) {
    Address address{static_cast<Family>(key.family), {}};
    std::copy(std::begin(key.bytes), std::end(key.bytes), address.bytes.begin());
    uint8_t kind = MIRROR_NO_COLLECTOR;
    bpf_map_lookup_elem(map, &key, &kind);
    collectors[address] = static_cast<mirror_collector>(kind);
  }
  return collectors;
}

}  // namespace vxtap

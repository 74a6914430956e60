#include "agent/kernel/rule_table_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <numeric>

#include "agent/kernel/check.h"
#include "agent/kernel/fd.h"
#include "agent/kernel/maps.h"
#include "agent/kernel/takeover.h"

namespace vxtap {
namespace {

std::vector<mirror_cell> cells_of(const RuleTable& table) {
  const size_t node_cells = (table.trees.size() + MIRROR_CELL_NODES - 1) / MIRROR_CELL_NODES;
  std::vector<mirror_cell> cells(std::max<size_t>(table.rules.size() + node_cells, 1));
  // Each is as long as the longest member, so that the padding is written too.
  std::memset(cells.data(), 0, cells.size() * sizeof(mirror_cell));
  for (size_t i = 0; i < table.rules.size(); ++i) cells[i].rule = table.rules[i];
  for (size_t i = 0; i < table.trees.size(); ++i) {
    cells[table.rules.size() + i / MIRROR_CELL_NODES].nodes[i % MIRROR_CELL_NODES] = table.trees[i];
  }
  return cells;
}

Fd make_rule_map(const RuleTable& table) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
  const auto cells = cells_of(table);
  Fd map(check(bpf_map_create(BPF_MAP_TYPE_ARRAY, "rules", sizeof(uint32_t), sizeof(mirror_cell),
                              static_cast<uint32_t>(cells.size()), &options),
               "making a rule table"));
  std::vector<uint32_t> indexes(cells.size());
  std::iota(indexes.begin(), indexes.end(), 0U);
  write_all(map.get(), indexes, cells, "filling a rule table");
  return map;
}

// Each deletion would wait for a grace period; one call that puts the same tiny table in all their
// places waits once. What cannot be dropped is overwritten when its number is used again.
void drop_rule_tables(int rule_tables, const std::vector<uint32_t>& unused) noexcept {
  if (unused.empty()) return;
  try {
    const Fd nothing = make_rule_map({});
    write_all(rule_tables, unused, std::vector<int>(unused.size(), nothing.get()),
              "dropping rule tables");
  } catch (const std::exception& error) {
    spdlog::warn("{}", error.what());
  }
}

}  // namespace

RuleTableMaps::RuleTableMaps(int rule_tables, uint32_t capacity, int taken_tables)
    : rule_tables_(rule_tables),
      capacity_(capacity),
      taken_tables_(taken_tables),
      adopted_(read_taken_tables(taken_tables)) {}

std::vector<uint32_t> RuleTableMaps::put(const std::vector<SharedRuleTable>& tables) {
  std::set<uint32_t> taken = adopted_;
  for (const auto& [table, number] : numbers_) taken.insert(number);
  std::vector<uint32_t> numbers;
  std::vector<uint32_t> fresh;
  std::vector<Fd> maps;
  std::vector<int> descriptors;
  uint32_t next = 0;
  for (const auto& table : tables) {
    const auto known = numbers_.find(table);
    if (known != numbers_.end()) {
      numbers.push_back(known->second);
      continue;
    }
    while (taken.contains(next)) ++next;
    taken.insert(next);
    maps.push_back(make_rule_map(*table));
    descriptors.push_back(maps.back().get());
    fresh.push_back(next);
    numbers.push_back(next);
  }
  write_all(taken_tables_, fresh, std::vector<uint8_t>(fresh.size()),
            "taking numbers of rule tables");
  write_all(rule_tables_, fresh, descriptors, "adding rule tables");
  for (size_t i = 0; i < tables.size(); ++i) numbers_.emplace(tables[i], numbers[i]);
  return numbers;
}

void RuleTableMaps::keep_only(const std::vector<uint32_t>& numbers) {
  const std::set<uint32_t> used(numbers.begin(), numbers.end());
  std::vector<uint32_t> unused(adopted_.begin(), adopted_.end());
  adopted_.clear();
  std::erase_if(numbers_, [&](const auto& table) {
    if (used.contains(table.second)) return false;
    unused.push_back(table.second);
    return true;
  });
  drop_rule_tables(rule_tables_, unused);
  for (const uint32_t number : unused) bpf_map_delete_elem(taken_tables_, &number);
}

// Writing to an array of maps returns after a grace period.
void RuleTableMaps::wait_for_packets() const {
  const uint32_t last = capacity_ - 1;
  const Fd nothing = make_rule_map({});
  const int fd = nothing.get();
  check(bpf_map_update_elem(rule_tables_, &last, &fd, BPF_ANY), "waiting for packets");
}

}  // namespace vxtap

#include "agent/kernel/counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "agent/kernel/check.h"
#include "agent/kernel/maps.h"

namespace vxtap {
namespace {

constexpr uint32_t kMaxNames = 1U << 19;

uint32_t carried(uint32_t key) {
  return key | MIRROR_CARRIED;
}
mirror_counter_key carried(mirror_counter_key key) {
  return {carried(key.counter_id), key.direction};
}
mirror_rule_counter_key carried(mirror_rule_counter_key key) {
  return {carried(key.session_id), key.rule_id};
}

size_t cpus() {
  static const auto count = static_cast<size_t>(libbpf_num_possible_cpus());
  return count;
}

// Adds up the CPUs' values of one entry, structs of nothing but 64-bit counters.
std::vector<uint64_t> sum(int map, const void* key, size_t words) {
  std::vector<uint64_t> values(words * cpus());
  std::vector<uint64_t> total(words);
  if (bpf_map_lookup_elem(map, key, values.data()) < 0) return total;
  for (auto cpu = values.begin(); cpu != values.end(); cpu += static_cast<ptrdiff_t>(words)) {
    std::transform(total.begin(), total.end(), cpu, total.begin(), std::plus<>());
  }
  return total;
}

template <class Value, class Key>
Value sum_one(int map, const Key& key) {
  static_assert(sizeof(Value) % sizeof(uint64_t) == 0);
  Value total{};
  std::memcpy(&total, sum(map, &key, sizeof(Value) / sizeof(uint64_t)).data(), sizeof(Value));
  return total;
}

// What was counted by the programs that run, and by others before them.
template <class Value, class Key>
Value sum_all(int map, const Key& key) {
  constexpr size_t kWords = sizeof(Value) / sizeof(uint64_t);
  auto total = sum(map, &key, kWords);
  const auto before = carried(key);
  const auto more = sum(map, &before, kWords);
  for (size_t i = 0; i < kWords; ++i) total[i] += more[i];
  Value result{};
  std::memcpy(&result, total.data(), sizeof(result));
  return result;
}

// Values are as many words as the map has, which may be another daemon's.
template <class Key>
Totals read_totals(int map) {
  Totals totals;
  bpf_map_info info{};
  uint32_t size = sizeof(info);
  check(bpf_obj_get_info_by_fd(map, &info, &size), "looking at a map of counters");
  if (info.key_size != sizeof(Key)) return totals;
  const size_t words = info.value_size / sizeof(uint64_t);
  for (const auto& key : keys_of<Key>(map)) {
    const Key common = carried(key);
    auto& total = totals[{reinterpret_cast<const char*>(&common), sizeof(common)}];
    total.resize(words);
    const auto values = sum(map, &key, words);
    for (size_t i = 0; i < words; ++i) total[i] += values[i];
  }
  return totals;
}

template <class Value, class Key>
void write_totals(int map, const Totals& totals) {
  constexpr size_t kWords = sizeof(Value) / sizeof(uint64_t);
  for (const auto& [key, total] : totals) {
    if (key.size() != sizeof(Key)) continue;
    std::vector<uint64_t> values(kWords * cpus());
    std::copy_n(total.begin(), std::min(total.size(), kWords), values.begin());
    check(bpf_map_update_elem(map, key.data(), values.data(), BPF_ANY), "carrying counters over");
  }
}

CounterTotals totals_of(const CounterMaps& maps) {
  return {read_totals<mirror_counter_key>(maps.mirror),
          read_totals<mirror_rule_counter_key>(maps.rules), read_totals<uint32_t>(maps.sources)};
}

// Of the map of names. Texts end with a zero; 128 characters take at most 512 bytes.
struct StoredName {
  uint32_t kind;
  char first[516], second[516];
};

}  // namespace

void Counters::make(uint32_t counter_id, uint32_t source_id) {
  if (made_.contains(counter_id)) return;
  make_entry(maps_.sources, source_id, sizeof(mirror_source_counters));
  for (const uint32_t direction : {MIRROR_INBOUND, MIRROR_OUTBOUND}) {
    make_entry(maps_.mirror, mirror_counter_key{counter_id, direction}, sizeof(mirror_counters));
  }
  made_.insert(counter_id);
}

mirror_counters Counters::of(uint32_t counter_id, Direction direction) const {
  return sum_all<mirror_counters>(maps_.mirror,
                                  mirror_counter_key{counter_id, static_cast<uint32_t>(direction)});
}

mirror_source_counters Counters::of_source(uint32_t source_id) const {
  return sum_all<mirror_source_counters>(maps_.sources, source_id);
}

RuleCounters Counters::of_rules() const {
  RuleCounters result;
  for (const auto& key : keys_of<mirror_rule_counter_key>(maps_.rules)) {
    const auto counted = sum_one<mirror_rule_counters>(maps_.rules, key);
    auto& total = result[{key.session_id & ~MIRROR_CARRIED, key.rule_id}];
    total.packets += counted.packets;
    total.bytes += counted.bytes;
  }
  return result;
}

void Counters::fold(uint32_t from, uint32_t to) {
  for (const Direction direction : kDirections) {
    const auto side = static_cast<uint32_t>(direction);
    constexpr size_t kWords = sizeof(mirror_counters) / sizeof(uint64_t);
    std::array<mirror_counters, 2> counted{of(from, direction), of(to, direction)};
    std::array<std::array<uint64_t, kWords>, 2> words{};
    std::memcpy(&words, &counted, sizeof(words));
    std::vector<uint64_t> total(kWords * cpus());
    std::transform(words[0].begin(), words[0].end(), words[1].begin(), total.begin(),
                   std::plus<>());
    const mirror_counter_key key{from, side}, carried_from = carried(key);
    const auto carried_to = carried(mirror_counter_key{to, side});
    check(bpf_map_update_elem(maps_.mirror, &carried_to, total.data(), BPF_ANY),
          "folding counters");
    bpf_map_delete_elem(maps_.mirror, &key);
    bpf_map_delete_elem(maps_.mirror, &carried_from);
  }
  made_.erase(from);
}

void Counters::forget(const std::function<bool(uint32_t)>& forgotten,
                      const std::function<bool(mirror_rule_counter_key)>& rule_forgotten) {
  std::erase_if(made_, forgotten);
  for (const auto& key : keys_of<mirror_counter_key>(maps_.mirror)) {
    if (forgotten(key.counter_id & ~MIRROR_CARRIED)) bpf_map_delete_elem(maps_.mirror, &key);
  }
  for (const uint32_t key : keys_of<uint32_t>(maps_.sources)) {
    if (forgotten(key & ~MIRROR_CARRIED)) bpf_map_delete_elem(maps_.sources, &key);
  }
  for (const auto& key : keys_of<mirror_rule_counter_key>(maps_.rules)) {
    if (!rule_forgotten({key.session_id & ~MIRROR_CARRIED, key.rule_id})) continue;
    bpf_map_delete_elem(maps_.rules, &key);
  }
}

CounterTotals Counters::totals() const {
  return totals_of(maps_);
}

void Counters::restore(const CounterTotals& totals) const {
  write_totals<mirror_counters, mirror_counter_key>(maps_.mirror, totals.mirror);
  write_totals<mirror_rule_counters, mirror_rule_counter_key>(maps_.rules, totals.rules);
  write_totals<mirror_source_counters, uint32_t>(maps_.sources, totals.sources);
}

void Counters::carry_over(const std::filesystem::path& maps) const {
  const auto open = [&](const char* name) { return Fd(bpf_obj_get((maps / name).c_str())); };
  const Fd mirror = open("mirror_counters"), rules = open("rule_counters"),
           sources = open("source_counters");
  // A predecessor that was killed before it had all of its maps has counted nothing.
  if (mirror && rules && sources) restore(totals_of({mirror.get(), rules.get(), sources.get()}));
}

NumberNames::NumberNames(const std::filesystem::path& pin) : map_(bpf_obj_get(pin.c_str())) {
  if (map_) return;
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
  map_ = Fd(check(bpf_map_create(BPF_MAP_TYPE_HASH, "vxtap_names", sizeof(uint32_t),
                                 sizeof(StoredName), kMaxNames, &options),
                  "making the map of names"));
  check(bpf_obj_pin(map_.get(), pin.c_str()), "pinning the map of names");
}

Ids::Names NumberNames::read() const {
  Ids::Names names;
  if (!map_) return names;
  for (const uint32_t number : keys_of<uint32_t>(map_.get())) {
    StoredName stored{};
    if (bpf_map_lookup_elem(map_.get(), &number, &stored) < 0) continue;
    names[number] = {static_cast<Ids::Kind>(stored.kind), stored.first, stored.second};
  }
  return names;
}

void NumberNames::write(const Ids::Names& names) const {
  if (!map_) return;
  for (const auto& [number, name] : names) {
    StoredName stored{static_cast<uint32_t>(name.kind), {}, {}};
    name.first.copy(stored.first, sizeof(stored.first) - 1);
    name.second.copy(stored.second, sizeof(stored.second) - 1);
    check(bpf_map_update_elem(map_.get(), &number, &stored, BPF_ANY), "keeping a name");
  }
}

void NumberNames::forget(const std::set<uint32_t>& numbers) const {
  if (!map_) return;
  for (const uint32_t number : numbers) bpf_map_delete_elem(map_.get(), &number);
}

}  // namespace vxtap

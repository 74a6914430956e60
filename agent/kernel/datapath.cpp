#include "agent/kernel/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <utility>

#include "agent/kernel/check.h"
#include "mirror.skel.h"

namespace vxtap {
namespace {

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string running_kernel() {
  utsname name{};
  uname(&name);
  return name.release;
}

[[noreturn]] void refuse_load(int error) {
  if (error == -EPERM) {
    throw Error(
        Error::Kind::internal, "NotPermitted",
        "the kernel does not let vxtapd load BPF programs: run it as root, or with CAP_BPF, "
        "CAP_NET_ADMIN and CAP_PERFMON");
  }
  throw Error(Error::Kind::internal, "KernelTooOld",
              "kernel " + running_kernel() + " refuses vxtap's BPF programs (" +
                  std::strerror(-error) +
                  "): vxtap needs 6.1 or later with CONFIG_BPF_SYSCALL, CONFIG_NET_CLS_BPF and "
                  "CONFIG_NET_SCH_INGRESS");
}

// Nobody else may ask: a packet of a wire that could, would be neither counted nor copied.
void draw_explain_key(std::span<uint32_t, MIRROR_EXPLAIN_KEY_WORDS> key) {
  if (getrandom(key.data(), key.size_bytes(), 0) != static_cast<ssize_t>(key.size_bytes())) {
    throw Error(Error::Kind::internal, "Kernel",
                "drawing random bytes: " + std::string(strerror(errno)));
  }
}

// Sums a per-CPU value, a struct of nothing but 64-bit counters.
template <class Counters, class Key>
Counters sum(const bpf_map* map, const Key& key) {
  static_assert(sizeof(Counters) % sizeof(uint64_t) == 0);
  constexpr size_t kWords = sizeof(Counters) / sizeof(uint64_t);
  std::vector<uint64_t> values(kWords * static_cast<size_t>(libbpf_num_possible_cpus()));
  Counters total{};
  if (bpf_map_lookup_elem(bpf_map__fd(map), &key, values.data()) < 0) return total;
  std::array<uint64_t, kWords> words{};
  for (size_t i = 0; i < values.size(); ++i) words.at(i % kWords) += values[i];
  std::memcpy(&total, words.data(), sizeof(total));
  return total;
}

// Makes a per-CPU entry of zeros, or leaves the one that is there.
template <class Key>
void make_entry(const bpf_map* map, const Key& key) {
  const std::vector<uint8_t> zeros(bpf_map__value_size(map) *
                                   static_cast<size_t>(libbpf_num_possible_cpus()));
  const int error = bpf_map_update_elem(bpf_map__fd(map), &key, zeros.data(), BPF_NOEXIST);
  if (error != -EEXIST) check(error, std::string("making a counter in ") + bpf_map__name(map));
}

template <class Key>
std::vector<Key> keys_of(const bpf_map* map) {
  std::vector<Key> keys;
  Key key{};
  while (bpf_map_get_next_key(bpf_map__fd(map), keys.empty() ? nullptr : &keys.back(), &key) == 0) {
    keys.push_back(key);
  }
  return keys;
}

// Writes all entries with one call: for an array of maps each call would wait for a grace period.
template <class Key, class Value>
void write_all(int map, const std::vector<Key>& keys, const std::vector<Value>& values,
               const std::string& what) {
  auto count = static_cast<uint32_t>(keys.size());
  if (count == 0) return;
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  check(bpf_map_update_batch(map, keys.data(), values.data(), &count, &options), what);
}

Fd make_rule_map(const RuleTable& table) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
  Fd map(check(bpf_map_create(BPF_MAP_TYPE_ARRAY, "rules", sizeof(uint32_t), sizeof(mirror_rule),
                              static_cast<uint32_t>(table.size()), &options),
               "making a rule table"));
  std::vector<uint32_t> indexes(table.size());
  std::iota(indexes.begin(), indexes.end(), 0U);
  write_all(map.get(), indexes, table, "filling a rule table");
  return map;
}

// Each deletion would wait for a grace period; one call that puts the same tiny table in all their
// places waits once. What cannot be dropped is overwritten when its number is used again.
void drop_rule_tables(int rule_tables, const std::vector<uint32_t>& unused) noexcept {
  if (unused.empty()) return;
  try {
    const Fd nothing = make_rule_map(RuleTable(1));
    write_all(rule_tables, unused, std::vector<int>(unused.size(), nothing.get()),
              "dropping rule tables");
  } catch (const std::exception& error) {
    spdlog::warn("{}", error.what());
  }
}

}  // namespace

void Datapath::DestroySkeleton::operator()(struct mirror* skeleton) const {
  mirror::destroy(skeleton);
}

Datapath::Datapath(uint16_t tunnel_port) {
  // libbpf's own lines would stand beside the one sentence that says what to do.
  libbpf_set_print(nullptr);
  skeleton_.reset(mirror::open());
  if (!skeleton_) refuse_load(-errno);
  skeleton_->rodata->tunnel_port = tunnel_port;
  draw_explain_key(skeleton_->rodata->explain_key);
  const int error = mirror::load(skeleton_.get());
  if (error < 0) refuse_load(error);
  attach_mode_ = detect_attach_mode(program(Direction::inbound));
}

Datapath::~Datapath() = default;

int Datapath::program(Direction direction) const {
  return bpf_program__fd(direction == Direction::inbound ? skeleton_->progs.mirror_ingress
                                                         : skeleton_->progs.mirror_egress);
}

Datapath::Hooks Datapath::attach_programs(uint32_t ifindex,
                                          const std::vector<std::pair<int, Direction>>& programs) {
  if (attach_mode_ == AttachMode::clsact)
    qdiscs_.try_emplace(ifindex, ifindex).first->second.ensure();
  Hooks hooks;
  for (const auto& [program, direction] : programs) {
    hooks.emplace_back(attach_mode_, program, ifindex, direction);
  }
  return hooks;
}

void Datapath::use_devices(const TunnelDevices& devices) {
  devices_.clear();
  devices_.push_back(attach_programs(
      devices.tunnel, {{bpf_program__fd(skeleton_->progs.tunnel_egress), Direction::outbound},
                       {bpf_program__fd(skeleton_->progs.tunnel_ingress), Direction::inbound}}));
  devices_.push_back(attach_programs(
      devices.framer, {{bpf_program__fd(skeleton_->progs.frame_egress), Direction::outbound}}));
  skeleton_->bss->tunnel_ifindex = devices.tunnel;
  skeleton_->bss->segmenter_ifindex = devices.segmenter;
  skeleton_->bss->framer_ifindex = devices.framer;
}

void Datapath::attach(uint32_t ifindex) {
  if (attached(ifindex)) return;
  sources_.emplace(ifindex,
                   attach_programs(ifindex, {{program(Direction::inbound), Direction::inbound},
                                             {program(Direction::outbound), Direction::outbound}}));
}

std::set<uint32_t> Datapath::attached() const {
  std::set<uint32_t> result;
  for (const auto& [ifindex, attached] : sources_) result.insert(ifindex);
  return result;
}

void Datapath::publish(const CompiledConfiguration& configuration) {
  // Everything that the new configuration refers to is in place before any packet can see it, and
  // what only the old one referred to goes when no packet can see that any more.
  make_counters(configuration);
  publish_destinations(configuration);
  const auto table_numbers = publish_rule_tables(configuration.rule_tables);
  publish_slots(configuration, table_numbers);
  drop_unused(configuration, table_numbers);
}

void Datapath::make_counters(const CompiledConfiguration& configuration) {
  for (const auto& [slot, attachment] : configuration.slots) {
    if (counters_.contains(attachment.counter_id)) continue;
    make_entry(skeleton_->maps.source_counters, attachment.source_id);
    for (const uint32_t direction : {MIRROR_INBOUND, MIRROR_OUTBOUND}) {
      make_entry(skeleton_->maps.mirror_counters,
                 mirror_counter_key{attachment.counter_id, direction});
    }
    counters_.insert(attachment.counter_id);
  }
}

void Datapath::publish_destinations(const CompiledConfiguration& configuration) {
  for (const auto& [id, destination] : configuration.destinations) {
    const auto known = destinations_.find(id);
    if (known != destinations_.end() &&
        std::memcmp(&known->second, &destination, sizeof(destination)) == 0) {
      continue;
    }
    check(
        bpf_map_update_elem(bpf_map__fd(skeleton_->maps.destinations), &id, &destination, BPF_ANY),
        "adding a destination");
    destinations_[id] = destination;
  }
  for (const auto& [address, kind] : configuration.collectors) {
    const auto known = collectors_.find(address);
    if (known != collectors_.end() && known->second == kind) continue;
    const auto key = compile_address(address);
    const auto value = static_cast<uint8_t>(kind);
    check(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.collectors), &key, &value, BPF_ANY),
          "adding a collector");
    collectors_[address] = kind;
  }
}

std::vector<uint32_t> Datapath::publish_rule_tables(const std::vector<SharedRuleTable>& tables) {
  std::set<uint32_t> taken;
  for (const auto& [table, number] : rule_tables_) taken.insert(number);
  std::vector<uint32_t> numbers;
  std::vector<uint32_t> fresh;
  std::vector<Fd> maps;
  std::vector<int> descriptors;
  uint32_t next = 0;
  for (const auto& table : tables) {
    const auto known = rule_tables_.find(table);
    if (known != rule_tables_.end()) {
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
  write_all(bpf_map__fd(skeleton_->maps.rule_tables), fresh, descriptors, "adding rule tables");
  for (size_t i = 0; i < tables.size(); ++i) rule_tables_.emplace(tables[i], numbers[i]);
  return numbers;
}

void Datapath::publish_slots(const CompiledConfiguration& configuration,
                             const std::vector<uint32_t>& table_numbers) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
  const auto size = static_cast<uint32_t>(std::max<size_t>(configuration.slots.size(), 1));
  const Fd map(check(bpf_map_create(BPF_MAP_TYPE_HASH, "slots", sizeof(mirror_slot),
                                    sizeof(mirror_attachment), size, &options),
                     "making a configuration"));
  std::vector<mirror_slot> slots;
  std::vector<mirror_attachment> attachments;
  for (const auto& compiled : configuration.slots) {
    slots.push_back(compiled.slot);
    attachments.push_back(compiled.attachment);
    for (auto& table : attachments.back().rule_table) {
      table = table < table_numbers.size() ? table_numbers[table] : 0;
    }
  }
  write_all(map.get(), slots, attachments, "filling a configuration");
  const uint32_t current = 0;
  const int fd = map.get();
  // Returns after a grace period: then no packet sees the old configuration any more.
  check(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.configurations), &current, &fd, BPF_ANY),
        "publishing a configuration");
}

void Datapath::drop_unused(const CompiledConfiguration& configuration,
                           const std::vector<uint32_t>& table_numbers) {
  const std::set<uint32_t> used(table_numbers.begin(), table_numbers.end());
  std::vector<uint32_t> unused;
  std::erase_if(rule_tables_, [&](const auto& table) {
    if (used.contains(table.second)) return false;
    unused.push_back(table.second);
    return true;
  });
  drop_rule_tables(bpf_map__fd(skeleton_->maps.rule_tables), unused);
  std::erase_if(destinations_, [&](const auto& destination) {
    if (configuration.destinations.contains(destination.first)) return false;
    bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.destinations), &destination.first);
    return true;
  });
  std::erase_if(collectors_, [&](const auto& collector) {
    if (configuration.collectors.contains(collector.first)) return false;
    const auto key = compile_address(collector.first);
    bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.collectors), &key);
    return true;
  });
}

void Datapath::forget_counters(const std::function<bool(uint32_t counter_id)>& forgotten,
                               const std::function<bool(mirror_rule_counter_key)>& rule_forgotten) {
  std::erase_if(counters_, [&](uint32_t counter_id) {
    if (!forgotten(counter_id)) return false;
    for (const uint32_t direction : {MIRROR_INBOUND, MIRROR_OUTBOUND}) {
      const mirror_counter_key key{counter_id, direction};
      bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.mirror_counters), &key);
    }
    return true;
  });
  for (const auto& key : keys_of<mirror_rule_counter_key>(skeleton_->maps.rule_counters)) {
    if (!rule_forgotten(key)) continue;
    bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.rule_counters), &key);
  }
}

Explanation Datapath::explain(uint32_t ifindex, Direction direction,
                              std::span<const uint8_t> frame) {
  __sk_buff context{};
  context.ifindex = ifindex;
  std::copy(std::begin(skeleton_->rodata->explain_key), std::end(skeleton_->rodata->explain_key),
            std::begin(context.cb));
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(),
              .data_size_in = static_cast<uint32_t>(frame.size()), .ctx_in = &context,
              .ctx_size_in = sizeof(context));
  auto& head = skeleton_->bss->explanation;
  head = {};
  const int error = bpf_prog_test_run_opts(program(direction), &options);
  if (error == -EINVAL) {
    throw Error(Error::Kind::invalid, "MalformedPacket",
                "it is too short for what its Ethernet header says it is", "frames",
                std::to_string(frame.size()) + " bytes");
  }
  check(error, "asking the loaded program");
  Explanation result{head, {}};
  const auto* sessions = skeleton_->bss->explained_sessions;
  result.sessions.assign(sessions,
                         sessions + std::min<uint32_t>(head.sessions, MIRROR_MAX_EXPLAINED));
  return result;
}

mirror_counters Datapath::counters(uint32_t counter_id, Direction direction) const {
  return sum<mirror_counters>(skeleton_->maps.mirror_counters,
                              mirror_counter_key{counter_id, static_cast<uint32_t>(direction)});
}

mirror_source_counters Datapath::source_counters(uint32_t source_id) const {
  return sum<mirror_source_counters>(skeleton_->maps.source_counters, source_id);
}

RuleCounters Datapath::rule_counters() const {
  RuleCounters result;
  for (const auto& key : keys_of<mirror_rule_counter_key>(skeleton_->maps.rule_counters)) {
    result.emplace(std::pair{key.session_id, key.rule_id},
                   sum<mirror_rule_counters>(skeleton_->maps.rule_counters, key));
  }
  return result;
}

}  // namespace vxtap

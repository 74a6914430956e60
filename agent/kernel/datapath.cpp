#include "agent/kernel/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/kernel/check.h"
#include "agent/kernel/edition.h"
#include "agent/kernel/fd.h"
#include "agent/kernel/maps.h"
#include "agent/kernel/packet_layout.h"
#include "agent/kernel/takeover.h"
#include "mirror.skel.h"

namespace vxtap {
namespace {

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

}  // namespace

void Datapath::DestroySkeleton::operator()(struct mirror* skeleton) const {
  mirror::destroy(skeleton);
}

Datapath::Datapath(uint16_t tunnel_port, Pins& pins) : pins_(pins) {
  // libbpf's own lines would stand beside the one sentence that says what to do.
  libbpf_set_print(nullptr);
  skeleton_.reset(mirror::open());
  if (!skeleton_) refuse_load(-errno);
  skeleton_->rodata->tunnel_port = tunnel_port;
  draw_explain_key(skeleton_->rodata->explain_key);
  if (const auto ip_summed = find_ip_summed()) {
    skeleton_->rodata->ip_summed_byte = ip_summed->byte;
    skeleton_->rodata->ip_summed_shift = ip_summed->shift;
  }
  attach_mode_ = detect_attach_mode();
  // 6.1's verifier cannot follow the program that writes the outer headers, and has no use for it.
  bpf_program__set_autoload(skeleton_->progs.underlay_egress, attach_mode_ == AttachMode::tcx);
  use_pins();
  const int error = mirror::load(skeleton_.get());
  if (error < 0) refuse_load(error);
  adopt();
  underlays_ = UnderlayHooks(
      {bpf_map__fd(skeleton_->maps.underlays), &skeleton_->bss->ways_generation,
       [this](uint32_t ifindex) {
         return attach_program(skeleton_->progs.underlay_egress,
                               {ifindex, Direction::outbound, HookPlace::Use::underlay});
       },
       [this] { rule_tables_.wait_for_packets(); }});
}

void Datapath::use_pins() {
  if (!pins_.enabled()) return;
  pins_.use_layout(layout_of(skeleton_->obj));
  skeleton_->bss->handing_over = pins_.predecessors().empty() ? 0 : 1;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton_->obj) {
    // Variables belong to the programs that have just been loaded.
    if (bpf_map__is_internal(map)) continue;
    check(bpf_map__set_pin_path(map, pins_.map(bpf_map__name(map)).c_str()), "pinning a map");
  }
}

// What a predecessor has left in the maps is at work until the first publish().
void Datapath::adopt() {
  const auto& maps = skeleton_->maps;
  counters_ = Counters({bpf_map__fd(maps.mirror_counters), bpf_map__fd(maps.rule_counters),
                        bpf_map__fd(maps.source_counters)});
  rule_tables_ =
      RuleTableMaps(bpf_map__fd(maps.rule_tables), bpf_map__max_entries(maps.rule_tables),
                    bpf_map__fd(maps.taken_tables));
  destinations_ = read_destinations(bpf_map__fd(maps.destinations));
  collectors_ = read_collectors(bpf_map__fd(maps.collectors));
}

Datapath::~Datapath() = default;

int Datapath::program(Direction direction) const {
  return bpf_program__fd(direction == Direction::inbound ? skeleton_->progs.mirror_ingress
                                                         : skeleton_->progs.mirror_egress);
}

Hook Datapath::attach_program(const bpf_program* program, const HookPlace& place) {
  if (attach_mode_ == AttachMode::clsact) {
    qdiscs_.try_emplace(place.ifindex, place.ifindex, pins_).first->second.ensure();
  }
  return {attach_mode_, bpf_program__fd(program), place, pins_};
}

void Datapath::use_devices(const TunnelDevices& devices) {
  // Before the programs need them.
  skeleton_->bss->tunnel_ifindex = devices.tunnel;
  skeleton_->bss->segmenter_ifindex = devices.segmenter;
  skeleton_->bss->framer_ifindex = devices.framer;
  devices_.clear();
  const auto& programs = skeleton_->progs;
  const auto add = [&](const bpf_program* program, uint32_t ifindex, Direction direction) {
    devices_.push_back(attach_program(program, {ifindex, direction, HookPlace::Use::own_device}));
  };
  add(programs.tunnel_egress, devices.tunnel, Direction::outbound);
  add(programs.tunnel_ingress, devices.tunnel, Direction::inbound);
  add(programs.frame_egress, devices.framer, Direction::outbound);
  if (attach_mode_ == AttachMode::tcx) {
    add(programs.segment_egress, devices.segmenter_port, Direction::outbound);
  }
}

void Datapath::attach(uint32_t ifindex) {
  if (attached(ifindex)) return;
  Hooks hooks;
  const auto& programs = skeleton_->progs;
  hooks.push_back(attach_program(programs.mirror_ingress, {ifindex, Direction::inbound}));
  hooks.push_back(attach_program(programs.mirror_egress, {ifindex, Direction::outbound}));
  sources_.emplace(ifindex, std::move(hooks));
}

void Datapath::finish_takeover(const std::set<uint32_t>& interfaces) {
  std::set<std::string> names;
  for (const auto& hook : devices_) names.insert(hook.place().name());
  names.merge(underlays_.names());
  for (const auto& [ifindex, hooks] : sources_) {
    for (const auto& hook : hooks) names.insert(hook.place().name());
  }
  pins_.keep_links(names);
  if (attach_mode_ == AttachMode::clsact) {
    for (const uint32_t ifindex : interfaces) {
      if (!names.contains(HookPlace{ifindex, Direction::outbound}.name())) sweep_clsact(ifindex);
      if (pins_.has_qdisc(ifindex)) qdiscs_.try_emplace(ifindex, ifindex, pins_);
    }
  }
  if (pins_.predecessors().empty()) return;
  spdlog::info("taking over from a vxtapd whose maps are of another layout");
  rule_tables_.wait_for_packets();
  for (const auto& predecessor : pins_.predecessors()) counters_.carry_over(predecessor / "maps");
  pins_.drop_predecessors();
  for (auto& hook : devices_) hook.settle();
  skeleton_->bss->handing_over = 0;
}

void Datapath::forget_gone(const std::set<uint32_t>& interfaces) {
  if (attach_mode_ == AttachMode::tcx) return;
  std::erase_if(qdiscs_, [&](const auto& qdisc) { return !interfaces.contains(qdisc.first); });
  pins_.keep_qdiscs(interfaces);
}

void Datapath::links_are_fresh() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // what bpf_ktime_get_ns() gives
  skeleton_->bss->agent_looked =
      static_cast<uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(now.tv_nsec);
}

std::set<uint32_t> Datapath::attached() const {
  std::set<uint32_t> result;
  for (const auto& [ifindex, attached] : sources_) result.insert(ifindex);
  return result;
}

void Datapath::publish(const CompiledConfiguration& configuration) {
  // Everything that the new configuration refers to is in place before any packet can see it, and
  // what only the old one referred to goes when no packet can see that any more.
  for (const auto& [slot, attachment] : configuration.slots) {
    counters_.make(attachment.counter_id, attachment.source_id);
  }
  publish_destinations(configuration);
  const auto table_numbers = rule_tables_.put(configuration.rule_tables);
  publish_slots(configuration, table_numbers);
  rule_tables_.keep_only(table_numbers);
  drop_destinations(configuration);
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
  const uint32_t only = 0;
  const int fd = map.get();
  const NextEdition next(bpf_map__fd(skeleton_->maps.editions));
  // Returns after a grace period: then no packet sees the old configuration any more.
  check(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.configurations), &only, &fd, BPF_ANY),
        "publishing a configuration");
}

void Datapath::drop_destinations(const CompiledConfiguration& configuration) {
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

}  // namespace vxtap

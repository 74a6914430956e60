#include "agent/kernel/hooks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "agent/kernel/check.h"
#include "agent/kernel/filter_name.h"
#include "agent/kernel/network.h"

namespace vxtap {
namespace {

// linux/bpf.h of Debian 12 (6.1) does not know TCX; the numbers are the kernel's ABI.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);
constexpr uint32_t kBefore = 1U << 3;
constexpr uint32_t kAfter = 1U << 4;

// Our place on a clsact qdisc. Smaller priorities run first.
constexpr uint32_t kHandle = 0x7674;
constexpr uint32_t kFirst = 1;
constexpr uint32_t kBesideLast = 0xffef;  // before a predecessor of another layout
constexpr uint32_t kLast = 0xfff0;

bpf_tc_hook tc_hook(uint32_t ifindex, bpf_tc_attach_point point) {
  bpf_tc_hook hook{};
  hook.sz = sizeof(hook);
  hook.ifindex = static_cast<int>(ifindex);
  hook.attach_point = point;
  return hook;
}

uint32_t usual_priority(Direction direction) {
  return direction == Direction::inbound ? kFirst : kLast;
}

bpf_tc_opts tc_options(uint32_t priority) {
  bpf_tc_opts options{};
  options.sz = sizeof(options);
  options.handle = kHandle;
  options.priority = priority;
  return options;
}

bpf_tc_attach_point attach_point(Direction direction) {
  return direction == Direction::inbound ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

// Whether a filter at our place is one of ours, left by a daemon that was killed.
bool left_over(uint32_t ifindex, Direction direction, uint32_t priority) {
  const auto name = filter_name(ifindex, direction, priority, kHandle);
  return name.starts_with("mirror_") || name.starts_with("tunnel_") || name.starts_with("frame_");
}

// Adds the program, or puts it into the place of one of ours.
void attach_filter(int program, const HookPlace& place, uint32_t priority) {
  auto hook = tc_hook(place.ifindex, attach_point(place.direction));
  auto options = tc_options(priority);
  options.prog_fd = program;
  options.flags = left_over(place.ifindex, place.direction, priority) ? BPF_TC_F_REPLACE : 0;
  check(bpf_tc_attach(&hook, &options), "attaching to the clsact qdisc");
}

bool detach_filter(uint32_t ifindex, Direction direction, uint32_t priority) {
  if (!left_over(ifindex, direction, priority)) return false;
  auto hook = tc_hook(ifindex, attach_point(direction));
  auto options = tc_options(priority);
  // Fails if the interface is gone, and the filter with it.
  return bpf_tc_detach(&hook, &options) == 0;
}

}  // namespace

const char* to_string(AttachMode mode) {
  return mode == AttachMode::tcx ? "tcx" : "clsact";
}

AttachMode detect_attach_mode() {
  constexpr int kNoInterface = 0x7fffffff;
  const std::array<bpf_insn, 2> do_nothing{
      {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = -1}, {.code = BPF_JMP | BPF_EXIT}}};
  const Fd program(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "vxtap_probe", "Dual BSD/GPL",
                                 do_nothing.data(), do_nothing.size(), nullptr));
  const int error = bpf_link_create(program.get(), kNoInterface, kTcxIngress, nullptr);
  // A kernel without TCX refuses the type before it looks for the interface.
  return error == -ENODEV ? AttachMode::tcx : AttachMode::clsact;
}

std::string HookPlace::name() const {
  const std::string what = use == Use::underlay ? "underlay" : to_string(direction);
  return what + "-" + std::to_string(ifindex);
}

Hook::Hook(AttachMode mode, int program, const HookPlace& place, Pins& pins)
    : mode_(mode), place_(place), pins_(&pins), program_(program) {
  if (mode_ == AttachMode::tcx) {
    attach_tcx(program);
  } else {
    attach_clsact();
  }
  attached_ = true;
}

void Hook::attach_tcx(int program) {
  const auto name = place_.name();
  if (place_.is_source()) pins_->inherit_link(name);
  link_ = pins_->open_link(name);
  // Fails if the interface of the link is gone, and another one has its number.
  if (link_ && bpf_link_update(link_.get(), program, nullptr) == 0) return;
  pins_->remove_link(name);
  const bool inbound = place_.direction == Direction::inbound;
  LIBBPF_OPTS(bpf_link_create_opts, options,
              .flags = inbound || !place_.is_source() ? kBefore : kAfter);
  link_ = Fd(check(bpf_link_create(program, static_cast<int>(place_.ifindex),
                                   inbound ? kTcxIngress : kTcxEgress, &options),
                   "attaching to TCX"));
  pins_->pin_link(link_.get(), name);
}

void Hook::attach_clsact() {
  const bool outbound_on_own = !place_.is_source() && place_.direction == Direction::outbound;
  if (outbound_on_own && !pins_->predecessors().empty()) {
    attach_filter(program_, place_, kBesideLast);
    return;
  }
  attach_filter(program_, place_, usual_priority(place_.direction));
  if (outbound_on_own) detach_filter(place_.ifindex, place_.direction, kBesideLast);
}

void Hook::settle() {
  if (mode_ == AttachMode::clsact) attach_clsact();  // TCX: the other link went with its pin
}

void Hook::detach() noexcept {
  if (!std::exchange(attached_, false) || pins_->keeps()) return;
  if (mode_ == AttachMode::tcx) {
    pins_->remove_link(place_.name());
  } else {
    detach_filter(place_.ifindex, place_.direction, usual_priority(place_.direction));
  }
}

Hook::~Hook() {
  detach();
}

Hook::Hook(Hook&& other) noexcept
    : mode_(other.mode_),
      place_(other.place_),
      pins_(other.pins_),
      program_(other.program_),
      link_(std::move(other.link_)),
      attached_(std::exchange(other.attached_, false)) {}

Hook& Hook::operator=(Hook&& other) noexcept {
  if (this != &other) {
    detach();
    mode_ = other.mode_;
    place_ = other.place_;
    pins_ = other.pins_;
    program_ = other.program_;
    link_ = std::move(other.link_);
    attached_ = std::exchange(other.attached_, false);
  }
  return *this;
}

void ClsactQdisc::ensure() {
  auto hook = tc_hook(ifindex_, BPF_TC_INGRESS);
  const int error = bpf_tc_hook_create(&hook);
  if (error != -EEXIST) check(error, "making a clsact qdisc");
  if (error != 0) return;
  created_ = true;
  pins_.mark_qdisc(ifindex_, true);
}

ClsactQdisc::~ClsactQdisc() {
  if (created_ && !pins_.keeps() && remove_empty_clsact(ifindex_)) {
    pins_.mark_qdisc(ifindex_, false);
  }
}

int sweep_clsact(uint32_t ifindex) {
  // libbpf would say of every interface that there is nothing.
  libbpf_set_print(nullptr);
  int swept = 0;
  for (const Direction direction : kDirections) {
    for (const uint32_t priority : {usual_priority(direction), kBesideLast}) {
      if (detach_filter(ifindex, direction, priority)) ++swept;
    }
  }
  return swept;
}

bool remove_empty_clsact(uint32_t ifindex) noexcept {
  try {
    if (Network().has_filters(ifindex)) return false;
  } catch (const Error&) {
    return false;  // not knowing, leave it: it costs nothing
  }
  auto hook =
      tc_hook(ifindex, static_cast<bpf_tc_attach_point>(static_cast<unsigned>(BPF_TC_INGRESS) |
                                                        static_cast<unsigned>(BPF_TC_EGRESS)));
  return bpf_tc_hook_destroy(&hook) == 0;
}

}  // namespace vxtap

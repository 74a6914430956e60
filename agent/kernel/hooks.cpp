#include "agent/kernel/hooks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "agent/kernel/check.h"
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
constexpr uint32_t kLast = 0xfff0;

bpf_tc_hook tc_hook(uint32_t ifindex, bpf_tc_attach_point point) {
  bpf_tc_hook hook{};
  hook.sz = sizeof(hook);
  hook.ifindex = static_cast<int>(ifindex);
  hook.attach_point = point;
  return hook;
}

bpf_tc_opts tc_options(Direction direction) {
  bpf_tc_opts options{};
  options.sz = sizeof(options);
  options.handle = kHandle;
  options.priority = direction == Direction::inbound ? kFirst : kLast;
  return options;
}

bpf_tc_attach_point attach_point(Direction direction) {
  return direction == Direction::inbound ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

bool is_ours(uint32_t program_id) {
  const int program = bpf_prog_get_fd_by_id(program_id);
  if (program < 0) return false;
  bpf_prog_info info{};
  uint32_t size = sizeof(info);
  const int error = bpf_obj_get_info_by_fd(program, &info, &size);
  close(program);
  const std::string_view name(info.name);
  return error == 0 &&
         (name.starts_with("mirror_") || name.starts_with("tunnel_") || name.starts_with("frame_"));
}

// Whether a filter at our place is one of ours, left by a daemon that was killed.
bool left_over(uint32_t ifindex, Direction direction) {
  auto hook = tc_hook(ifindex, attach_point(direction));
  auto options = tc_options(direction);
  return bpf_tc_query(&hook, &options) == 0 && is_ours(options.prog_id);
}

void detach_filter(uint32_t ifindex, Direction direction) {
  auto hook = tc_hook(ifindex, attach_point(direction));
  auto options = tc_options(direction);
  // Fails if the interface is gone, and the filter with it.
  bpf_tc_detach(&hook, &options);
}

}  // namespace

const char* to_string(AttachMode mode) {
  return mode == AttachMode::tcx ? "tcx" : "clsact";
}

AttachMode detect_attach_mode(int program) {
  constexpr int kNoInterface = 0x7fffffff;
  const int error = bpf_link_create(program, kNoInterface, kTcxIngress, nullptr);
  // A kernel without TCX refuses the type before it looks for the interface.
  return error == -ENODEV ? AttachMode::tcx : AttachMode::clsact;
}

Hook::Hook(AttachMode mode, int program, uint32_t ifindex, Direction direction)
    : mode_(mode), ifindex_(ifindex), direction_(direction) {
  if (mode_ == AttachMode::tcx) {
    attach_tcx(program);
  } else {
    attach_clsact(program);
  }
  attached_ = true;
}

void Hook::attach_tcx(int program) {
  LIBBPF_OPTS(bpf_link_create_opts, options,
              .flags = direction_ == Direction::inbound ? kBefore : kAfter);
  link_ =
      check(bpf_link_create(program, static_cast<int>(ifindex_),
                            direction_ == Direction::inbound ? kTcxIngress : kTcxEgress, &options),
            "attaching to TCX");
}

void Hook::attach_clsact(int program) {
  auto hook = tc_hook(ifindex_, attach_point(direction_));
  auto options = tc_options(direction_);
  options.prog_fd = program;
  options.flags = left_over(ifindex_, direction_) ? BPF_TC_F_REPLACE : 0;
  check(bpf_tc_attach(&hook, &options), "attaching to the clsact qdisc");
}

void Hook::detach() noexcept {
  if (!attached_) return;
  attached_ = false;
  if (mode_ == AttachMode::tcx) {
    close(link_);
  } else {
    detach_filter(ifindex_, direction_);
  }
}

Hook::~Hook() {
  detach();
}

Hook::Hook(Hook&& other) noexcept
    : mode_(other.mode_),
      ifindex_(other.ifindex_),
      direction_(other.direction_),
      link_(other.link_),
      attached_(std::exchange(other.attached_, false)) {}

Hook& Hook::operator=(Hook&& other) noexcept {
  if (this != &other) {
    detach();
    mode_ = other.mode_;
    ifindex_ = other.ifindex_;
    direction_ = other.direction_;
    link_ = other.link_;
    attached_ = std::exchange(other.attached_, false);
  }
  return *this;
}

void ClsactQdisc::ensure() {
  auto hook = tc_hook(ifindex_, BPF_TC_INGRESS);
  const int error = bpf_tc_hook_create(&hook);
  if (error != -EEXIST) check(error, "making a clsact qdisc");
  if (error == 0) created_ = true;
}

ClsactQdisc::~ClsactQdisc() {
  if (!created_) return;
  try {
    if (Network().has_filters(ifindex_)) return;
  } catch (const Error&) {
    return;  // not knowing, leave it: it costs nothing
  }
  auto hook =
      tc_hook(ifindex_, static_cast<bpf_tc_attach_point>(static_cast<unsigned>(BPF_TC_INGRESS) |
                                                         static_cast<unsigned>(BPF_TC_EGRESS)));
  bpf_tc_hook_destroy(&hook);
}

void sweep_clsact(uint32_t ifindex) {
  for (const Direction direction : kDirections) {
    if (left_over(ifindex, direction)) detach_filter(ifindex, direction);
  }
}

}  // namespace vxtap

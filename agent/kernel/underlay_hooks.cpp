#include "agent/kernel/underlay_hooks.h"

#include <bpf/bpf.h>
#include <spdlog/spdlog.h>

#include <utility>
#include <vector>

#include "agent/kernel/check.h"
#include "agent/kernel/maps.h"

namespace vxtap {

UnderlayHooks::UnderlayHooks(Kernel kernel) : kernel_(std::move(kernel)) {}

void UnderlayHooks::use(const std::set<uint32_t>& interfaces) {
  std::vector<uint32_t> unused;
  for (const auto ifindex : keys_of<uint32_t>(kernel_.underlays)) {
    if (!interfaces.contains(ifindex)) unused.push_back(ifindex);
  }
  for (const auto ifindex : unused) close(ifindex);
  // A copy that is on its way to the hook still finds it there.
  if (!unused.empty()) kernel_.wait_for_packets();
  std::erase_if(hooks_, [&](const auto& hook) { return !interfaces.contains(hook.first); });
  for (const auto ifindex : interfaces) {
    if (!on(ifindex)) add(ifindex);
  }
}

void UnderlayHooks::mend() {
  std::vector<uint32_t> lost;
  for (const auto& [ifindex, hook] : hooks_) {
    uint8_t there = 0;
    if (bpf_map_lookup_elem(kernel_.underlays, &ifindex, &there) < 0) lost.push_back(ifindex);
  }
  for (const auto ifindex : lost) {
    spdlog::warn("the program on the underlay (ifindex {}) was taken away; it is attached again",
                 ifindex);
    hooks_.erase(ifindex);
    add(ifindex);
  }
}

void UnderlayHooks::add(uint32_t ifindex) {
  try {
    hooks_.emplace(ifindex, kernel_.attach(ifindex));
    const uint8_t there = 1;
    check(bpf_map_update_elem(kernel_.underlays, &ifindex, &there, BPF_ANY), "using an underlay");
  } catch (const Error& error) {
    hooks_.erase(ifindex);
    spdlog::warn("copies over ifindex {} take the kernel's way: {}", ifindex, error.what());
  }
}

void UnderlayHooks::close(uint32_t ifindex) {
  bpf_map_delete_elem(kernel_.underlays, &ifindex);
  __atomic_fetch_add(kernel_.ways_generation, 1, __ATOMIC_SEQ_CST);
}

std::set<std::string> UnderlayHooks::names() const {
  std::set<std::string> names;
  for (const auto& [ifindex, hook] : hooks_) names.insert(hook.place().name());
  return names;
}

}  // namespace vxtap

#pragma once

// The interfaces on which a program writes the outer headers of copies: bpf/encapsulate.h.

#include <cstdint>
#include <functional>
#include <map>
#include <set>

#include "agent/kernel/hooks.h"

namespace vxtap {

class UnderlayHooks {
 public:
  struct Kernel {
    int underlays = -1;                      // the map of bpf/way.h
    uint32_t* ways_generation = nullptr;     // the variable of bpf/way.h
    std::function<Hook(uint32_t)> attach;    // by ifindex
    std::function<void()> wait_for_packets;  // until programs that run now have ended
  };
  UnderlayHooks() = default;
  // Entries that a predecessor has left stay until the first use().
  explicit UnderlayHooks(Kernel kernel);

  // From now on copies may leave naked to these, and to no others. One that the program cannot be
  // attached to is left to the kernel's way; the log says so.
  void use(const std::set<uint32_t>& interfaces);
  // Attaches again where somebody has taken the program away, which the programs notice.
  void mend();

  bool on(uint32_t ifindex) const { return hooks_.contains(ifindex); }
  std::set<std::string> names() const;  // of the links

 private:
  void add(uint32_t ifindex);
  void close(uint32_t ifindex);

  Kernel kernel_;
  std::map<uint32_t, Hook> hooks_;
};

}  // namespace vxtap

#pragma once

// A program on a traffic hook of an interface: TCX where the kernel has it (6.6 and later), a
// clsact qdisc's filter where not.

#include <cstdint>
#include <string>

#include "agent/model/objects.h"

namespace vxtap {

enum class AttachMode { tcx, clsact };
const char* to_string(AttachMode mode);

// Asks the kernel, by a loaded program of type sched_cls.
AttachMode detect_attach_mode(int program);

// Attached for as long as it lives. Inbound runs before all other programs of the interface, so
// that nobody's redirect hides a packet; outbound runs after all others, so that the copy is what
// the wire gets.
class Hook {
 public:
  // Throws Error(internal). In clsact mode the qdisc must be there.
  Hook(AttachMode mode, int program, uint32_t ifindex, Direction direction);
  ~Hook();
  Hook(Hook&& other) noexcept;
  Hook& operator=(Hook&& other) noexcept;
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;

 private:
  void attach_tcx(int program);
  void attach_clsact(int program);
  void detach() noexcept;

  AttachMode mode_;
  uint32_t ifindex_;
  Direction direction_;
  int link_ = -1;  // TCX: closing it detaches
  bool attached_ = false;
};

// A clsact qdisc on an interface, unless somebody else had one there before. Kernels before 6.3
// stop an interface's transmit queues for a moment whenever such a qdisc comes or goes, and lose
// the packets of that moment: so it stays when a source is detached, and goes with the daemon.
class ClsactQdisc {
 public:
  explicit ClsactQdisc(uint32_t ifindex) : ifindex_(ifindex) {}
  // Removes the qdisc if this object made it and no filter is left on it.
  ~ClsactQdisc();
  ClsactQdisc(const ClsactQdisc&) = delete;
  ClsactQdisc& operator=(const ClsactQdisc&) = delete;

  // Makes it where it is missing: it goes with its interface, whose number may come back.
  void ensure();

 private:
  uint32_t ifindex_;
  bool created_ = false;
};

// Takes away what a daemon that was killed has left on a clsact qdisc. TCX leaves nothing.
void sweep_clsact(uint32_t ifindex);

}  // namespace vxtap

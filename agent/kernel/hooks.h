#pragma once

// A program on a traffic hook of an interface: TCX where the kernel has it (6.6 and later), a
// clsact qdisc's filter where not.

#include <cstdint>
#include <string>

#include "agent/kernel/fd.h"
#include "agent/kernel/pins.h"
#include "agent/model/objects.h"

namespace vxtap {

enum class AttachMode { tcx, clsact };
const char* to_string(AttachMode mode);

// Asks the kernel. Where it lets nobody load programs, the answer means nothing.
AttachMode detect_attach_mode();

// Where a program stands, and under which name its link is pinned.
struct HookPlace {
  uint32_t ifindex;
  Direction direction;
  // What it does with copies on their way runs before all others there, also before that of a
  // predecessor of another layout, which stays beside it until no copy needs that any more. On a
  // source it takes the other one's place.
  enum class Use { source, own_device, underlay };
  Use use = Use::source;
  bool is_source() const { return use == Use::source; }
  std::string name() const;  // DIRECTION-IFINDEX, or underlay-IFINDEX
};

// Attached for as long as it lives, or longer: see Pins::keeps(). Takes the place of what a
// predecessor has left there, in between two packets. Inbound runs before all other programs of the
// interface, so that nobody's redirect hides a packet; outbound runs after all others, so that the
// copy is what the wire gets.
class Hook {
 public:
  // Throws Error(internal). In clsact mode the qdisc must be there.
  Hook(AttachMode mode, int program, const HookPlace& place, Pins& pins);
  ~Hook();
  Hook(Hook&& other) noexcept;
  Hook& operator=(Hook&& other) noexcept;
  const HookPlace& place() const { return place_; }
  // When there is no predecessor of another layout any more: the place beside its program is given
  // up.
  void settle();
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;

 private:
  void attach_tcx(int program);
  void attach_clsact();
  void detach() noexcept;

  AttachMode mode_;
  HookPlace place_;
  Pins* pins_;
  int program_;
  Fd link_;  // TCX: unless it is pinned, closing it detaches
  bool attached_ = false;
};

// A clsact qdisc on an interface, unless somebody else had one there before. Kernels before 6.3
// stop an interface's transmit queues for a moment whenever such a qdisc comes or goes, and lose
// the packets of that moment: so it stays when a source is detached, and goes with the daemon.
class ClsactQdisc {
 public:
  ClsactQdisc(uint32_t ifindex, Pins& pins)
      : ifindex_(ifindex), pins_(pins), created_(pins.has_qdisc(ifindex)) {}
  // Removes the qdisc if this daemon or a predecessor made it and no filter is left on it.
  ~ClsactQdisc();
  ClsactQdisc(const ClsactQdisc&) = delete;
  ClsactQdisc& operator=(const ClsactQdisc&) = delete;

  // Makes it where it is missing: it goes with its interface, whose number may come back.
  void ensure();

 private:
  uint32_t ifindex_;
  Pins& pins_;
  bool created_;
};

// Takes away the filters that a daemon which was killed has left on a clsact qdisc; says how many.
int sweep_clsact(uint32_t ifindex);

// Removes a clsact qdisc on which no filter is left; says whether it did.
bool remove_empty_clsact(uint32_t ifindex) noexcept;

}  // namespace vxtap

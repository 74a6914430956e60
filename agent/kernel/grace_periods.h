#pragma once

// Each program that comes to or goes from an interface costs the kernel an RCU grace period, some
// 20 ms in which nobody else can change an interface either.

#include "agent/kernel/pins.h"

namespace vxtap {

// Makes them short (/sys/kernel/rcu_expedited) for as long as it lives, as the kernel itself does
// where interfaces change (synchronize_net()). Where the file can't be written, or somebody else
// has set it, all stays as it is.
class QuickGracePeriods {
 public:
  // `needed`: whether any program is going to come or go.
  QuickGracePeriods(bool needed, Pins& pins);
  ~QuickGracePeriods();
  QuickGracePeriods(const QuickGracePeriods&) = delete;
  QuickGracePeriods& operator=(const QuickGracePeriods&) = delete;

  // Sets back what a daemon that was killed meanwhile has left.
  static void mend(Pins& pins) noexcept;

 private:
  Pins& pins_;
  bool quick_ = false;
};

}  // namespace vxtap

#include "agent/kernel/grace_periods.h"

#include <fstream>

namespace vxtap {
namespace {

constexpr const char* kExpedited = "/sys/kernel/rcu_expedited";

bool is_off() {
  int value = -1;
  std::ifstream(kExpedited) >> value;
  return value == 0;
}

bool set(bool quick) noexcept {
  std::ofstream file(kExpedited);
  file << (quick ? "1" : "0");
  return static_cast<bool>(file.flush());
}

}  // namespace

QuickGracePeriods::QuickGracePeriods(bool needed, Pins& pins) : pins_(pins) {
  if (!needed || !is_off()) return;
  // First, so that a successor knows whatever happens.
  pins_.mark_quick(true);
  quick_ = set(true);
  if (!quick_) pins_.mark_quick(false);
}

QuickGracePeriods::~QuickGracePeriods() {
  if (!quick_) return;
  set(false);
  pins_.mark_quick(false);
}

void QuickGracePeriods::mend(Pins& pins) noexcept {
  if (!pins.is_marked_quick()) return;
  set(false);
  pins.mark_quick(false);
}

}  // namespace vxtap

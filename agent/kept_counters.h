#pragma once

// The text in which counters are kept on disk while no daemon and no mirror is there.

#include <string>

#include "agent/kernel/counters.h"

namespace vxtap {

struct KeptCounters {
  Ids::Names names;
  CounterTotals totals;
};

// Of this machine only: keys are in its byte order.
std::string to_text(const KeptCounters& kept);
// Throws std::exception for what to_text() did not give.
KeptCounters parse_kept_counters(const std::string& text);

}  // namespace vxtap

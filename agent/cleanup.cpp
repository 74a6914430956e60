#include "agent/cleanup.h"

#include "agent/kernel/grace_periods.h"
#include "agent/kernel/hooks.h"
#include "agent/kernel/network.h"
#include "agent/kernel/pins.h"
#include "agent/kernel/tunnel.h"

namespace vxtap {

std::vector<std::string> clean_up(const std::filesystem::path& pin_directory) {
  const NamespaceLock lock;
  Network network;
  Pins pins(pin_directory);
  std::vector<std::string> removed;
  QuickGracePeriods::mend(pins);
  // Programs first, so that no copy meets a device that is going.
  for (const auto& link : network.links()) {
    if (sweep_clsact(link.ifindex) > 0) removed.push_back("filters on " + link.name);
    if (pins.has_qdisc(link.ifindex) && remove_empty_clsact(link.ifindex)) {
      removed.push_back("clsact qdisc of " + link.name);
    }
  }
  const auto pinned = pins.remove_all();
  removed.insert(removed.end(), pinned.begin(), pinned.end());
  for (const auto& link : network.links()) {
    if (is_made_by_us(link)) removed.push_back("device " + link.name);
  }
  remove_devices(network);
  if (removed.empty()) return {"nothing to remove"};
  for (auto& line : removed) line.insert(0, "removed ");
  return removed;
}

}  // namespace vxtap

#pragma once

// Which rows `vxtap top` shows, and in what order. Pure.

#include <optional>
#include <string>
#include <vector>

#include "cli/meter.h"

namespace vxtap::cli::top {

enum class Group { none, session, source, direction };
inline constexpr int kGroups = 4;
const char* to_string(Group group);

// In the order of the columns.
enum class Order { session, source, direction, matched, mirrored, bits, truncated, dropped };
inline constexpr int kOrders = 8;

struct Row {
  Flow flow;  // a group has `*` for what differs in it
  std::string state;
  std::optional<Rates> rates;             // empty: not known yet, or not known any more
  std::map<std::string, uint64_t> drops;  // so far, by reason
  History history;
};

struct Choice {
  Group group = Group::none;
  Order order = Order::bits;
  bool reversed = false;  // numbers begin with the largest otherwise, and names with the first
  bool hides_idle = false;
  std::string filter;  // a part of any name; small and capital ASCII letters are the same
};

std::vector<Row> rows_of(const Meter& meter, const Choice& choice);

}  // namespace vxtap::cli::top

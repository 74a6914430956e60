#include "cli/top_rows.h"

#include <algorithm>
#include <cctype>

namespace vxtap::cli::top {
namespace {

std::string small(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c);
  });
  return text;
}

bool matches(const Flow& flow, const std::string& filter) {
  for (const auto& name : {flow.session, flow.source, flow.direction}) {
    if (small(name).find(filter) != std::string::npos) return true;
  }
  return false;
}

Flow grouped(const Flow& flow, Group group) {
  switch (group) {
    case Group::session:
      return {flow.session, "*", "*"};
    case Group::source:
      return {"*", flow.source, "*"};
    case Group::direction:
      return {"*", "*", flow.direction};
    case Group::none:
      break;
  }
  return flow;
}

// Both end now.
void add(History& sum, const History& other) {
  while (sum.size() < other.size()) sum.push_front(0);
  const size_t shift = sum.size() - other.size();
  for (size_t i = 0; i < other.size(); ++i) sum[shift + i] += other[i];
}

void add(Row& row, const Row& other) {
  if (row.state != other.state) row.state.clear();
  if (row.rates && other.rates) {
    *row.rates += *other.rates;
  } else if (other.rates) {
    row.rates = other.rates;
  }
  for (const auto& [reason, packets] : other.drops) row.drops[reason] += packets;
  add(row.history, other.history);
}

double number(const Row& row, Order order) {
  if (!row.rates) return 0;
  switch (order) {
    case Order::matched:
      return row.rates->matched;
    case Order::mirrored:
      return row.rates->mirrored;
    case Order::bits:
      return row.rates->bits;
    case Order::truncated:
      return row.rates->truncated;
    case Order::dropped:
      return row.rates->dropped;
    default:
      return 0;
  }
}

const std::string& name(const Row& row, Order order) {
  if (order == Order::source) return row.flow.source;
  return order == Order::direction ? row.flow.direction : row.flow.session;
}

bool before(const Row& a, const Row& b, Order order) {
  const bool by_name = order < Order::matched;
  return by_name ? name(a, order) < name(b, order) : number(a, order) > number(b, order);
}

bool is_idle(const Row& row) {
  return row.rates && row.rates->matched == 0 && row.rates->dropped == 0;
}

}  // namespace

const char* to_string(Group group) {
  switch (group) {
    case Group::session:
      return "session";
    case Group::source:
      return "source";
    case Group::direction:
      return "direction";
    case Group::none:
      break;
  }
  return "none";
}

std::vector<Row> rows_of(const Meter& meter, const Choice& choice) {
  std::map<Flow, Row> groups;
  const auto filter = small(choice.filter);
  for (const auto& [flow, counters] : meter.flows()) {
    if (!matches(flow, filter)) continue;
    Row row{grouped(flow, choice.group), counters.state, meter.rates(flow), counters.drops,
            meter.history(flow)};
    const auto [place, fresh] = groups.try_emplace(row.flow, row);
    if (!fresh) add(place->second, row);
  }
  std::vector<Row> rows;
  for (auto& [flow, row] : groups) {
    if (!choice.hides_idle || !is_idle(row)) rows.push_back(std::move(row));
  }
  // Equal rows stay in the order of their names.
  std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
    return choice.reversed ? before(b, a, choice.order) : before(a, b, choice.order);
  });
  return rows;
}

}  // namespace vxtap::cli::top

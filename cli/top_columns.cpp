#include "cli/top_columns.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "cli/text.h"

namespace vxtap::cli::top {
namespace {

constexpr std::array kTitles{"SESSION", "SOURCE", "DIR", "MATCH", "MIRROR", "BITS", "CUT", "DROP"};
constexpr size_t kDirection = 4;
constexpr size_t kNumber = 7;
constexpr size_t kNumbers = 5;
constexpr size_t kSession = 12;  // at least
constexpr size_t kSource = 10;   // at least
constexpr size_t kGraph = 8;     // at least
constexpr size_t kGap = 1;
constexpr size_t kFixed = kDirection + kNumbers * kNumber + (kNumbers + 3) * kGap;

size_t longest(const std::vector<Row>& rows, std::string Flow::*name, size_t least) {
  size_t result = least;
  for (const auto& row : rows) result = std::max(result, text::width(row.flow.*name));
  return result;
}

std::string shown(const std::string& name, bool unicode) {
  return unicode ? name : text::ascii(name);
}

std::string short_direction(const std::string& direction) {
  return direction == "*" ? direction : direction.substr(0, direction.find("bound"));
}

}  // namespace

std::string scaled(double number) {
  constexpr std::array kPrefixes{"", "k", "M", "G", "T", "P"};
  size_t prefix = 0;
  // What would be written as 1000 is 1 of the next prefix.
  while (number >= 999.5 && prefix + 1 < kPrefixes.size()) {
    number /= 1000;
    ++prefix;
  }
  // Whole numbers below 1000 stay whole, others have three digits at most.
  const bool whole = prefix == 0 && (number == std::floor(number) || number >= 99.95);
  const int decimals = whole || number >= 99.95 ? 0 : prefix == 0 || number >= 9.995 ? 1 : 2;
  std::array<char, 32> digits{};
  std::snprintf(digits.data(), digits.size(), "%.*f", decimals, number);
  return std::string(digits.data()) + kPrefixes.at(prefix);
}

std::string sparkline(const History& history, size_t columns, bool unicode) {
  constexpr std::array kBlocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  constexpr std::array kLetters{"_", ".", ":", "-", "=", "+", "*", "#"};
  const auto& levels = unicode ? kBlocks : kLetters;
  const size_t count = std::min(columns, history.size());
  const auto first = history.end() - static_cast<std::ptrdiff_t>(count);
  const double highest = count > 0 ? *std::max_element(first, history.end()) : 0;
  std::string line;
  for (auto value = first; value != history.end(); ++value) {
    const double share = highest > 0 ? *value / highest : 0;
    const auto top = static_cast<double>(levels.size() - 1);
    line += levels.at(static_cast<size_t>(std::ceil(share * top)));
  }
  return line;
}

const char* title(Order order) {
  return kTitles.at(static_cast<size_t>(order));
}

Columns::Columns(const std::vector<Row>& rows, size_t width, bool unicode)
    : session_(kSession), source_(kSource), graph_(kGraph), unicode_(unicode) {
  constexpr size_t kLeast = kSession + kSource + kFixed + kGraph;
  size_t spare = width > kLeast ? width - kLeast : 0;
  const auto take = [&](size_t wanted) {
    const size_t taken = std::min(wanted, spare);
    spare -= taken;
    return taken;
  };
  session_ += take(longest(rows, &Flow::session, kSession) - kSession);
  source_ += take(longest(rows, &Flow::source, kSource) - kSource);
  graph_ += take(Meter::kHistory - kGraph);
}

std::string Columns::heading(const Choice& choice) const {
  const auto cell = [&](Order order) {
    std::string text = title(order);
    if (order != choice.order) return text;
    const bool downwards = (order >= Order::matched) != choice.reversed;
    return text + (unicode_ ? (downwards ? "↓" : "↑") : (downwards ? "v" : "^"));
  };
  std::string line = text::left(cell(Order::session), session_) + ' ' +
                     text::left(cell(Order::source), source_) + ' ' +
                     text::left(cell(Order::direction), kDirection);
  for (int i = static_cast<int>(Order::matched); i < kOrders; ++i) {
    line += ' ' + text::right(cell(static_cast<Order>(i)), kNumber);
  }
  return line + ' ' + text::left("TREND", graph_);
}

std::string Columns::line(const Row& row) const {
  const char* mark = unicode_ ? "…" : "~";
  const auto name = [&](const std::string& text, size_t columns) {
    return text::left(shown(text, unicode_), columns, mark);
  };
  std::string line = name(row.flow.session, session_) + ' ' + name(row.flow.source, source_) + ' ' +
                     text::left(short_direction(row.flow.direction), kDirection);
  const Rates none;
  const auto& rates = row.rates ? *row.rates : none;
  for (const double rate :
       {rates.matched, rates.mirrored, rates.bits, rates.truncated, rates.dropped}) {
    line += ' ' + text::right(row.rates ? scaled(rate) : "-", kNumber);
  }
  return line + ' ' +
         text::clip(row.state.empty() ? sparkline(row.history, graph_, unicode_) : row.state,
                    graph_, mark);
}

}  // namespace vxtap::cli::top

#include "cli/top_view.h"

#include <algorithm>
#include <array>
#include <utility>

#include "cli/text.h"
#include "cli/top_columns.h"

namespace vxtap::cli::top {
namespace {

constexpr size_t kHead = 4;  // lines above the rows: title, sums, problem, heading
constexpr size_t kFoot = 1;

using Lines = std::vector<Line>;

constexpr std::array kHelp{
    "Rates are per second, in packets as the wire carries them; BITS are those of",
    "the copies without their outer headers. TREND is BITS over time, newest right;",
    "where nothing is mirrored it says why: stopped, pending, paused, error.",
    "",
    "  s S        sort by the next or the previous column",
    "  r          reverse the order",
    "  g          one row for each session, source or direction, or for all three",
    "  /          show only names with a text in them; Enter keeps it, Esc drops it",
    "  i          hide rows where nothing happens",
    "  arrows     go through the rows; so do Page Up, Page Down, Home and End",
    "  + -        read the counters less or more often",
    "  p          pause, or go on",
    "  ? h        this page, and back",
    "  q Ctrl-C   quit"};

struct Sums {
  Rates rates;
  bool known = false;
  std::map<std::pair<std::string, std::string>, std::pair<double, uint64_t>> drops;
};

Sums sums_of(const std::vector<Row>& rows) {
  Sums sums;
  for (const auto& row : rows) {
    if (row.rates) sums.rates += *row.rates;
    sums.known = sums.known || row.rates;
    for (const auto& [reason, packets] : row.drops) {
      auto& [rate, so_far] = sums.drops[{row.flow.session, reason}];
      if (row.rates && row.rates->drops.contains(reason)) rate += row.rates->drops.at(reason);
      so_far += packets;
    }
  }
  return sums;
}

std::string sums_text(const Sums& sums) {
  const auto part = [&](const char* name, double rate) {
    return std::string(name) + " " + (sums.known ? scaled(rate) : "-");
  };
  const auto& rates = sums.rates;
  return part("per second: matched", rates.matched) + part(", mirrored", rates.mirrored) + " (" +
         part("bits", rates.bits) + ")" + part(", cut", rates.truncated) +
         part(", dropped", rates.dropped);
}

Line problem_line(const Page& page) {
  if (!page.lost.empty()) return {page.lost, Style::warning};
  if (page.problems.empty()) return {"healthy"};
  const auto count = std::to_string(page.problems.size());
  const bool several = page.problems.size() > 1;
  return {
      count + (several ? " problems, see vxtap status: " : " problem: ") + page.problems.front(),
      Style::warning};
}

// Those that are lost now first.
Lines drop_lines(const Sums& sums) {
  std::vector<std::pair<double, std::string>> sorted;
  for (const auto& [name, counted] : sums.drops) {
    const auto& [rate, so_far] = counted;
    sorted.emplace_back(rate, text::left(name.first, 24) + " " + text::left(name.second, 14) + " " +
                                  text::right(sums.known ? scaled(rate) : "-", 7) + " " +
                                  text::right(std::to_string(so_far), 14));
  }
  if (sorted.empty()) return {};
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  Lines lines{{text::left("DROPPED", 24) + " " + text::left("REASON", 14) + " " +
                   text::right("DROP", 7) + " " + text::right("SO FAR", 14),
               Style::heading}};
  for (auto& [rate, line] : sorted) {
    lines.push_back({std::move(line), rate > 0 ? Style::warning : Style::plain});
  }
  return lines;
}

Lines head(const Page& page, const Sums& sums, const Columns& columns, size_t width) {
  const auto& controls = page.controls;
  const std::string right =
      page.clock + (controls.paused ? "  paused" : "  every " + scaled(controls.interval) + " s");
  const size_t room = width > right.size() ? width - right.size() : 0;
  return {{text::left("vxtap top  " + page.daemon, room) + right, Style::bold},
          {sums_text(sums)},
          problem_line(page),
          {columns.heading(controls.choice), Style::heading}};
}

Line row_line(const Columns& columns, const Row& row) {
  const bool drops = row.rates && row.rates->dropped > 0;
  const bool quiet = !row.state.empty() || !row.rates;
  return {columns.line(row), drops ? Style::warning : quiet ? Style::faint : Style::plain};
}

Line foot(const Page& page, size_t room) {
  const auto& controls = page.controls;
  const auto& choice = controls.choice;
  if (controls.typing) return {"filter: " + choice.filter + "_  (Enter keeps it, Esc drops it)"};
  std::string line;
  if (page.rows.size() > room) {
    line = std::to_string(controls.first + 1) + "-" +
           std::to_string(std::min(controls.first + room, page.rows.size())) + " of " +
           std::to_string(page.rows.size()) + "  ";
  }
  line += "?:help q:quit s:sort r:reverse g:group";
  if (choice.group != Group::none) line += std::string("=") + to_string(choice.group);
  line += " /:filter" + (choice.filter.empty() ? "" : "=" + choice.filter);
  line += choice.hides_idle ? " i:all" : " i:idle";
  line += controls.paused ? " p:go on" : " p:pause";
  return {line, Style::faint};
}

Lines help(const Page& page) {
  Lines lines{{"vxtap top  " + page.daemon, Style::bold}, {""}};
  for (const char* line : kHelp) lines.push_back({line});
  return lines;
}

// The drops take a third of the screen at most.
size_t lines_of_drops(const Page& page, const Size& size) {
  return std::min(drop_lines(sums_of(page.rows)).size(), size.lines / 3);
}

std::string nothing_to_show(const Page& page) {
  const auto& choice = page.controls.choice;
  if (!choice.filter.empty()) return "no name has '" + choice.filter + "' in it; / changes that";
  if (choice.hides_idle) return "nothing happens; i shows the idle ones";
  return "no session has a source: see vxtap attach --help";
}

// Fits the page to the screen and to its characters.
void fit(Lines& lines, const Page& page, size_t columns) {
  const bool unicode = page.controls.unicode;
  for (auto& line : lines) {
    if (!unicode) line.text = text::ascii(line.text);
    line.text = line.style == Style::heading ? text::left(line.text, columns)
                                             : text::clip(line.text, columns, unicode ? "…" : "~");
  }
}

}  // namespace

size_t rows_that_fit(const Page& page, const Size& size) {
  const size_t taken = kHead + kFoot + lines_of_drops(page, size);
  return size.lines > taken ? size.lines - taken : 0;
}

std::vector<Line> layout(const Page& page, const Size& size) {
  Lines lines;
  if (page.controls.help) {
    lines = help(page);
  } else {
    const auto sums = sums_of(page.rows);
    const Columns columns(page.rows, size.columns, page.controls.unicode);
    const size_t room = rows_that_fit(page, size);
    lines = head(page, sums, columns, size.columns);
    for (size_t i = page.controls.first; i < page.rows.size() && i < page.controls.first + room;
         ++i)
      lines.push_back(row_line(columns, page.rows[i]));
    if (page.rows.empty() && page.lost.empty()) lines.push_back({nothing_to_show(page)});
    lines.resize(std::max(lines.size(), kHead + room));
    auto drops = drop_lines(sums);
    drops.resize(lines_of_drops(page, size));
    lines.insert(lines.end(), drops.begin(), drops.end());
    lines.push_back(foot(page, room));
  }
  lines.resize(std::min(lines.size(), size.lines));
  fit(lines, page, size.columns);
  return lines;
}

std::vector<Line> layout_all(const Page& page, size_t columns) {
  const auto sums = sums_of(page.rows);
  const Columns table(page.rows, columns, page.controls.unicode);
  auto lines = head(page, sums, table, columns);
  for (const auto& row : page.rows) lines.push_back(row_line(table, row));
  if (page.rows.empty()) lines.push_back({nothing_to_show(page)});
  const auto drops = drop_lines(sums);
  if (!drops.empty()) lines.push_back({""});
  lines.insert(lines.end(), drops.begin(), drops.end());
  fit(lines, page, columns);
  return lines;
}

}  // namespace vxtap::cli::top

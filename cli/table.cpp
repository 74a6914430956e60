#include "cli/table.h"

#include <algorithm>
#include <iostream>

#include "cli/text.h"

namespace vxtap::cli {
namespace {

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

}  // namespace

std::vector<std::string> Table::cells(size_t column) const {
  size_t widest = 0;
  for (const auto& row : rows_) widest = std::max(widest, text::width(row.at(column)));
  const bool numbers = std::all_of(rows_.begin() + 1, rows_.end(),
                                   [&](const auto& row) { return is_number(row.at(column)); });
  const bool last = column + 1 == rows_.front().size();
  std::vector<std::string> result;
  for (const auto& row : rows_) {
    const auto& cell = row.at(column);
    const std::string blanks(widest - text::width(cell), ' ');
    if (numbers && rows_.size() > 1) {
      result.push_back(blanks + cell);
    } else {
      result.push_back(last ? cell : cell + blanks);
    }
  }
  return result;
}

void Table::print(std::ostream& out, bool colour) const {
  std::vector<std::string> lines(rows_.size());
  for (size_t column = 0; column < rows_.front().size(); ++column) {
    const auto column_cells = cells(column);
    for (size_t i = 0; i < lines.size(); ++i)
      lines[i] += (column > 0 ? "  " : "") + column_cells[i];
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool bold = i == 0 && colour;
    out << (bold ? "\033[1m" : "") << lines[i] << (bold ? "\033[0m" : "") << '\n';
  }
}

void print_field(const std::string& field, const std::string& value) {
  constexpr size_t kWidth = 15;
  std::cout << field << ':' << std::string(kWidth - std::min(kWidth - 1, field.size()), ' ')
            << value << '\n';
}

}  // namespace vxtap::cli

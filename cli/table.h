#pragma once

// Aligned columns for people.

#include <iosfwd>
#include <string>
#include <vector>

namespace vxtap::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  // Headings in bold if `colour`. A column of nothing but numbers is aligned to the right.
  void print(std::ostream& out, bool colour) const;

 private:
  std::vector<std::string> cells(size_t column) const;

  std::vector<std::vector<std::string>> rows_;  // the headings first
};

// `field:  value`, with the values of several lines below each other.
void print_field(const std::string& field, const std::string& value);

}  // namespace vxtap::cli

#pragma once

// The columns of `vxtap top`, and how they show numbers. Pure.

#include <string>
#include <vector>

#include "cli/top_rows.h"

namespace vxtap::cli::top {

// At most five characters, with a prefix of SI: 0, 0.5, 12.3k, 999M.
std::string scaled(double number);

// The last `columns` values, the largest of them as high as the line.
std::string sparkline(const History& history, size_t columns, bool unicode);

// Names are given the room that they need, as far as there is any.
class Columns {
 public:
  Columns(const std::vector<Row>& rows, size_t width, bool unicode);
  // The column of the order has an arrow.
  std::string heading(const Choice& choice) const;
  std::string line(const Row& row) const;

 private:
  size_t session_, source_, graph_;
  bool unicode_;
};

// The name of the column: BITS
const char* title(Order order);

}  // namespace vxtap::cli::top

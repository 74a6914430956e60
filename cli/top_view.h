#pragma once

// A page of `vxtap top`, as lines. Pure.

#include <string>
#include <vector>

#include "cli/top_rows.h"

namespace vxtap::cli::top {

enum class Style { plain, bold, heading, faint, warning };

struct Line {
  std::string text;
  Style style = Style::plain;
};

struct Size {
  size_t columns, lines;
};

// What the user has chosen, with keys.
struct Controls {
  Choice choice;
  double interval = 2;  // seconds
  size_t first = 0;     // the row at the top
  bool paused = false;
  bool help = false;
  bool typing = false;  // the filter
  bool unicode = true;
};

struct Page {
  std::string daemon;                 // the title's middle: how it is
  std::string clock;                  // HH:MM:SS of the reading
  std::string lost;                   // why there is no reading, if there is none
  std::vector<std::string> problems;  // that status names
  std::vector<Row> rows;
  Controls controls;
};

// As many lines as there is room for, each no wider than the screen.
std::vector<Line> layout(const Page& page, const Size& size);
// The whole page for those who cannot press keys.
std::vector<Line> layout_all(const Page& page, size_t columns);

// How many rows fit, for keys that go on by a page.
size_t rows_that_fit(const Page& page, const Size& size);

}  // namespace vxtap::cli::top

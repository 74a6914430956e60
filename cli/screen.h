#pragma once

// The terminal of `vxtap top`: the only place that knows ncurses.

#include <optional>
#include <vector>

#include "cli/top_keys.h"

struct screen;  // of ncurses

namespace vxtap::cli::top {

// Takes the terminal, and gives it back as it was, also when a signal ends the program or stops it
// for a while. One at a time.
class Screen {
 public:
  // Throws Failure if the terminal cannot do what is needed.
  explicit Screen(bool colour);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  Size size() const;
  void draw(const std::vector<Line>& lines);

  struct Event {
    std::optional<Key> key;
    bool ended = false;  // by a signal, or the terminal has gone
  };
  // Until a key, a new size of the terminal, or the time has passed.
  Event wait(double seconds);

 private:
  screen* screen_;
};

}  // namespace vxtap::cli::top

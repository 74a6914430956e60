#include "cli/top_keys.h"

#include <algorithm>
#include <array>

namespace vxtap::cli::top {
namespace {

// Seconds between two readings, for + and -.
constexpr std::array kIntervals{0.1, 0.2, 0.5, 1., 2., 5., 10., 30., 60., 300., 3600.};

void change_interval(double& interval, bool longer) {
  if (longer) {
    const auto next = std::upper_bound(kIntervals.begin(), kIntervals.end(), interval);
    if (next != kIntervals.end()) interval = *next;
  } else {
    const auto next = std::lower_bound(kIntervals.begin(), kIntervals.end(), interval);
    if (next != kIntervals.begin()) interval = *(next - 1);
  }
}

// RFC 3629.
void append(std::string& text, Key character) {
  const auto tail = [&](int shift) {
    text += static_cast<char>(0x80 | ((character >> shift) & 0x3f));
  };
  if (character < 0x80) {
    text += static_cast<char>(character);
  } else if (character < 0x800) {
    text += static_cast<char>(0xc0 | (character >> 6));
    tail(0);
  } else if (character < 0x10000) {
    text += static_cast<char>(0xe0 | (character >> 12));
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xf0 | (character >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

void remove_last(std::string& text) {
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.back());
    text.pop_back();
    if ((byte & 0xc0) != 0x80) return;  // the character's first byte
  }
}

void type(Controls& controls, Key key) {
  auto& filter = controls.choice.filter;
  if (key == keys::kEnter || key == keys::kEscape) {
    controls.typing = false;
    if (key == keys::kEscape) filter.clear();
  } else if (key == keys::kBackspace) {
    remove_last(filter);
  } else if (key >= 0x20 && key < keys::kUp && key != 0x7f) {
    append(filter, key);
  }
}

bool scroll(Controls& controls, Key key, size_t rows, size_t fit) {
  auto& first = controls.first;
  switch (key) {
    case keys::kUp:
      first -= std::min<size_t>(first, 1);
      return true;
    case keys::kDown:
      ++first;
      return true;
    case keys::kPageUp:
      first -= std::min(first, fit);
      return true;
    case keys::kPageDown:
      first += fit;
      return true;
    case keys::kHome:
      first = 0;
      return true;
    case keys::kEnd:
      first = rows;
      return true;
    default:
      return false;
  }
}

template <class Enum>
void next(Enum& value, int count, int step) {
  value = static_cast<Enum>((static_cast<int>(value) + step + count) % count);
}

void choose(Controls& controls, Key key) {
  auto& choice = controls.choice;
  if (key == U's') next(choice.order, kOrders, 1);
  if (key == U'S') next(choice.order, kOrders, -1);
  if (key == U'r') choice.reversed = !choice.reversed;
  if (key == U'g') next(choice.group, kGroups, 1);
  if (key == U'i') choice.hides_idle = !choice.hides_idle;
  if (key == U'/') controls.typing = true;
  if (key == keys::kEscape) choice.filter.clear();
  if (key == U'p' || key == U' ') controls.paused = !controls.paused;
  if (key == U'+' || key == U'-') change_interval(controls.interval, key == U'+');
}

}  // namespace

bool press(Controls& controls, Key key, size_t rows, size_t fit) {
  if (controls.typing) {
    type(controls, key);
  } else if (key == U'q') {
    return false;
  } else if (key == U'?' || key == U'h') {
    controls.help = !controls.help;
  } else if (controls.help) {
    controls.help = false;  // any key leads back, and does nothing that is not seen
  } else if (!scroll(controls, key, rows, fit)) {
    choose(controls, key);
  }
  keep_in_range(controls, rows, fit);
  return true;
}

void keep_in_range(Controls& controls, size_t rows, size_t fit) {
  controls.first = std::min(controls.first, rows > fit ? rows - fit : 0);
}

}  // namespace vxtap::cli::top

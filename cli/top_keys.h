#pragma once

// What the keys of `vxtap top` do. Pure.

#include "cli/top_view.h"

namespace vxtap::cli::top {

// A character of Unicode, or one of these.
using Key = char32_t;
namespace keys {
inline constexpr Key kEnter = U'\n';
inline constexpr Key kEscape = 0x1b;
// Behind the last character of Unicode.
inline constexpr Key kUp = 0x110000, kDown = 0x110001, kPageUp = 0x110002, kPageDown = 0x110003,
                     kHome = 0x110004, kEnd = 0x110005, kBackspace = 0x110006;
}  // namespace keys

// `rows`: how many there are; `fit`: how many of them the screen shows. False: the user quits.
bool press(Controls& controls, Key key, size_t rows, size_t fit);

// Keeps the first row where there is one, since rows go and screens grow.
void keep_in_range(Controls& controls, size_t rows, size_t fit);

}  // namespace vxtap::cli::top

#pragma once

// Text as a terminal shows it: in columns, since names may be in any script.

#include <string>

namespace vxtap::cli::text {

// Columns that the text takes; not bytes, nor characters. A byte that is not UTF-8 takes one.
size_t width(const std::string& text);
// At most `columns` wide; what was cut shows as `mark` at its end, which is one column wide.
std::string clip(const std::string& text, size_t columns, const char* mark = "~");
// Exactly `columns` wide: clipped, or filled up with blanks.
std::string left(const std::string& text, size_t columns, const char* mark = "~");
std::string right(const std::string& text, size_t columns, const char* mark = "~");
// Each character that is not ASCII becomes as many question marks as it has columns.
std::string ascii(const std::string& text);

// Whether the user's locale, by the names in the environment, is one of UTF-8: LC_ALL, else
// LC_CTYPE, else LANG. The names count, not what is installed here: over ssh they tell of the other
// side.
bool is_utf8_locale();

}  // namespace vxtap::cli::text

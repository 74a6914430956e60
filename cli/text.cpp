#include "cli/text.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cwchar>

namespace vxtap::cli::text {
namespace {

struct Character {
  size_t bytes;
  size_t columns;
};

Character character_at(const std::string& text, size_t place) {
  mbstate_t state{};
  wchar_t character = 0;
  const size_t rest = text.size() - place;
  const size_t bytes = std::mbrtowc(&character, text.data() + place, rest, &state);
  if (bytes == 0 || bytes > rest) return {1, 1};
  return {bytes, static_cast<size_t>(std::max(wcwidth(character), 0))};
}

}  // namespace

size_t width(const std::string& text) {
  size_t columns = 0;
  for (size_t i = 0; i < text.size();) {
    const auto character = character_at(text, i);
    columns += character.columns;
    i += character.bytes;
  }
  return columns;
}

std::string clip(const std::string& text, size_t columns, const char* mark) {
  if (width(text) <= columns) return text;
  if (columns == 0) return "";
  size_t end = 0;
  for (size_t taken = 0;;) {
    const auto character = character_at(text, end);
    if (taken + character.columns > columns - 1) break;
    taken += character.columns;
    end += character.bytes;
  }
  return text.substr(0, end) + mark;
}

std::string left(const std::string& text, size_t columns, const char* mark) {
  auto clipped = clip(text, columns, mark);
  // A wide character that would fit by half leaves a column free.
  return clipped + std::string(columns - width(clipped), ' ');
}

std::string right(const std::string& text, size_t columns, const char* mark) {
  const auto clipped = clip(text, columns, mark);
  return std::string(columns - width(clipped), ' ') + clipped;
}

std::string ascii(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const auto character = character_at(text, i);
    const bool plain = static_cast<unsigned char>(text[i]) < 0x80;
    result += plain ? std::string(1, text[i]) : std::string(character.columns, '?');
    i += character.bytes;
  }
  return result;
}

bool is_utf8_locale() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0') continue;
    std::string name(value);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return name.find("utf-8") != std::string::npos || name.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace vxtap::cli::text

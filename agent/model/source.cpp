#include "agent/model/source.h"

#include <fnmatch.h>

#include <string_view>

namespace vxtap {
namespace {

constexpr std::string_view kFlip = ":flip";
constexpr size_t kLongestPattern = 64;  // bytes
constexpr size_t kLongestName = 15;     // IFNAMSIZ − 1

// Where the bracket expression that opens at `open` ends, or npos.
size_t closing_bracket(const std::string& pattern, size_t open) {
  size_t first = open + 1;
  if (first < pattern.size() && (pattern[first] == '!' || pattern[first] == '^')) ++first;
  return pattern.find(']', first + 1);  // one that comes first stands for itself
}

}  // namespace

bool Source::matches(const std::string& interface) const {
  return fnmatch(name.c_str(), interface.c_str(), 0) == 0;
}

Source parse_source(const std::string& text) {
  if (!text.ends_with(kFlip)) return {text, false};
  return {text.substr(0, text.size() - kFlip.size()), true};
}

FarInterface far_interface(const std::string& name) {
  const auto start = name.find(':') + 1;
  const auto slash = name.rfind('/');
  if (slash == std::string::npos) return {name.substr(start), ""};
  return {name.substr(start, slash - start), name.substr(slash + 1)};
}

std::string why_unmatchable(const std::string& pattern) {
  if (pattern.size() > kLongestPattern) return "it is longer than 64 bytes";
  if (pattern.find_first_of("/: ") != std::string::npos) return "no name holds '/', ':' or blanks";
  size_t shortest = 0;  // bytes of the shortest name that it may match
  for (size_t at = 0; at < pattern.size(); ++at) {
    const char character = pattern[at];
    if (character == '*') continue;
    ++shortest;
    if (character == '[') at = closing_bracket(pattern, at);
    if (at == std::string::npos) return "its '[' is not closed";
    if (character == '\\' && ++at == pattern.size()) return "nothing follows its last '\\'";
  }
  return shortest > kLongestName ? "no name is longer than 15 bytes" : "";
}

}  // namespace vxtap

#include "agent/api/target.h"

#include <algorithm>
#include <boost/beast/core/string.hpp>

namespace vxtap {
namespace {

int hex(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// RFC 3986 §2.1; empty if a percent sign is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return result;
}

// Without scheme and authority, which say nothing here: the socket is the daemon's alone.
std::string origin_form(const std::string& target) {
  const std::string scheme = "http://";
  if (!boost::beast::iequals(target.substr(0, scheme.size()), scheme)) return target;
  const auto end = std::min(target.find_first_of("/?", scheme.size()), target.size());
  if (end == scheme.size()) return "";  // no host: RFC 9110 §4.2.1
  const auto rest = target.substr(end);
  return rest.starts_with('/') ? rest : "/" + rest;
}

}  // namespace

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::optional<HttpRequest> parse_target(const std::string& target) {
  const auto origin = origin_form(target);
  HttpRequest request;
  const auto mark = origin.find('?');
  request.path = origin.substr(0, mark);
  if (!request.path.starts_with('/')) return std::nullopt;
  for (const auto& segment : split(request.path.substr(1), '/')) {
    auto decoded = percent_decode(segment);
    if (!decoded) return std::nullopt;
    request.segments.push_back(std::move(*decoded));
  }
  if (mark == std::string::npos) return request;
  for (const auto& pair : split(origin.substr(mark + 1), '&')) {
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    auto name = percent_decode(pair.substr(0, equals));
    auto value = percent_decode(equals < pair.size() ? pair.substr(equals + 1) : "");
    if (!name || !value) return std::nullopt;
    request.query.emplace(*name, *value);
  }
  return request;
}

}  // namespace vxtap

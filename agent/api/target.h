#pragma once

// What a request asks for: RFC 9112 §3.2, RFC 3986.

#include <optional>
#include <string>
#include <vector>

#include "agent/api/http_server.h"

namespace vxtap {

// A request with the path and query of a target in origin-form or absolute-form. Empty if the
// target is in neither, or not percent-encoded as it should be.
std::optional<HttpRequest> parse_target(const std::string& target);

// One part more than there are separators.
std::vector<std::string> split(const std::string& text, char separator);

}  // namespace vxtap

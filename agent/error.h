#pragma once

#include <stdexcept>
#include <string>

namespace vxtap {

// What stops an operation. Caught once at the edge: the API's handler, or main().
class Error : public std::runtime_error {
 public:
  enum class Kind { invalid, not_found, conflict, too_large, internal };

  // `code` is for machines (CamelCase, stable), `message` for people: it says what would be right.
  // `field` is a path into the document (`sessions[0].filter`) or empty; `value` is what stood there.
  Error(Kind kind, std::string code, const std::string& message, std::string field = "",
        std::string value = "")
      : std::runtime_error(message),
        kind(kind),
        code(std::move(code)),
        field(std::move(field)),
        value(std::move(value)) {}

  Kind kind;
  std::string code, field, value;
};

}  // namespace vxtap

#pragma once

#include <stdexcept>
#include <string>

namespace vxtap {

// What stops an operation. Caught once at the edge: the API's handler, or main().
class Error : public std::runtime_error {
 public:
  enum class Kind { invalid, not_found, conflict, precondition, internal };

  // `code` is for machines (CamelCase, stable), `message` for people: it says what would be right.
  // `field` is a path into the document (`sessions[0].filter`) or empty; `value` is what stood
  // there.
  Error(Kind why, std::string name, const std::string& message, std::string where = "",
        std::string what_stood = "")
      : std::runtime_error(message),
        kind(why),
        code(std::move(name)),
        field(std::move(where)),
        value(std::move(what_stood)) {}

  Kind kind;
  std::string code, field, value;
};

// One line for people.
inline std::string describe(const Error& error) {
  return (error.field.empty() ? "" : error.field + ": ") +
         (error.value.empty() ? "" : error.value + ": ") + error.what();
}

}  // namespace vxtap
